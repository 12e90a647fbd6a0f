import { constants } from 'node:os';
import t from 'tap';
import { MillraceError } from '#src/base/errors.js';
import { checked, systemError } from '#src/native/system-error.js';

t.test('says the call, the path and the errno, and keeps them as fields', async (t) => {
  const error = systemError('pwritev', -constants.errno.EIO, '/data/a-0/0.log');
  t.ok(error instanceof MillraceError);
  t.equal(error.message, 'pwritev /data/a-0/0.log: EIO, i/o error');
  t.match(error, {
    code: 'IO_ERROR',
    errno: -constants.errno.EIO,
    errnoName: 'EIO',
    syscall: 'pwritev',
    path: '/data/a-0/0.log',
  });
});

t.test('a full disk and a full quota have a code of their own', async (t) => {
  t.equal(systemError('pwritev', -constants.errno.ENOSPC).code, 'NO_SPACE');
  t.equal(systemError('pwritev', -constants.errno.EDQUOT).code, 'NO_SPACE');
  t.equal(systemError('pwritev', -constants.errno.EACCES).code, 'IO_ERROR');
  t.equal(systemError('send', -constants.errno.EAGAIN).errnoName, 'EAGAIN');
});

t.test('an errno without a name keeps its number', async (t) => {
  t.match(systemError('ioctl', -4000), { errno: -4000, errnoName: 'errno 4000', path: null });
});

t.test('checked passes results and throws errors; no error is made of a success', async (t) => {
  t.equal(checked(12, 'pwritev'), 12);
  t.throws(() => checked(-constants.errno.EBADF, 'close'), /close: EBADF/);
  t.throws(() => systemError('close', 0), /no error/);
});
