import t from 'tap';
import { parseTrace, sumBytes } from './strace.js';

t.test('calls are parsed, also when other threads cut their lines', async (t) => {
  const calls = parseTrace(
    [
      '7   sendfile(20<socket:[91]>, 19</tmp/a file>, [0] => [10], 10) = 10',
      '7   read(19</tmp/a file>,  <unfinished ...>',
      '8   sendfile(21<socket:[92]>, 19</tmp/a file>, [10], 5) = -1 EAGAIN (Resource temporarily unavailable)',
      '7   <... read resumed>""..., 4096) = 33',
      '8   sendmsg(21<socket:[92]>, {msg_name=NULL, msg_iov=[{iov_base=""..., iov_len=4}], msg_iovlen=1}, MSG_NOSIGNAL|MSG_MORE) = 4',
      '8   read(3<pipe:[5]>,  <unfinished ...>',
      '7   +++ exited with 0 +++',
    ].join('\n'),
  );
  t.same(calls, [
    { pid: 7, name: 'sendfile', files: ['socket:[91]', '/tmp/a file'], result: 10 },
    { pid: 8, name: 'sendfile', files: ['socket:[92]', '/tmp/a file'], result: -1 },
    { pid: 7, name: 'read', files: ['/tmp/a file'], result: 33 },
    { pid: 8, name: 'sendmsg', files: ['socket:[92]'], result: 4 },
  ]);
  t.equal(
    sumBytes(calls, ({ files }) => files.includes('/tmp/a file')),
    43,
  );
});
