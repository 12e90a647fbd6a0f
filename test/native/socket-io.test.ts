import { createServer } from 'node:net';
import t from 'tap';
import {
  addon,
  descriptorOf,
  needsNative,
  openDescriptors,
  pattern,
  readToEnd,
  socketPairs,
  temporaryFile,
  unpooled,
} from './support.js';

t.test('header and file arrive in order', needsNative, async (t) => {
  const bytes = pattern(30_000);
  const { fd } = temporaryFile(t, bytes);
  const { server, client } = await (await socketPairs(t))();
  const socketFd = descriptorOf(server);
  t.equal(addon().send(socketFd, [unpooled('he'), unpooled('ader')], 0, 1), 6);
  t.equal(addon().sendfile(socketFd, fd, 100, 20_000), 20_000);
  t.equal(addon().send(socketFd, [unpooled('xxtail')], 2, 0), 4);
  t.equal(addon().shutdown(socketFd, addon().constants.SHUT_WR), 0);
  const expected = [unpooled('header'), bytes.subarray(100, 20_100), unpooled('tail')];
  t.same(await readToEnd(client), Buffer.concat(expected));
});

t.test('sendfile says where the file ends', needsNative, async (t) => {
  const { fd } = temporaryFile(t, pattern(1000));
  const { server } = await (await socketPairs(t))();
  t.equal(addon().sendfile(descriptorOf(server), fd, 900, 500), 100, 'short');
  t.equal(addon().sendfile(descriptorOf(server), fd, 1000, 500), 0, 'nothing is there');
});

t.test('a full socket answers -EAGAIN and does not wait', needsNative, async (t) => {
  const { EAGAIN } = addon().constants;
  const block = Buffer.alloc(1 << 20);
  const { fd } = temporaryFile(t, block);
  const { server } = await (await socketPairs(t))();
  let result = 0;
  for (let i = 0; i < 100 && result >= 0; i++) {
    result = addon().sendfile(descriptorOf(server), fd, 0, block.length);
  }
  t.equal(result, -EAGAIN);
  t.equal(addon().send(descriptorOf(server), [block], 0, 0), -EAGAIN);
});

t.test('a peer that is gone answers an error and raises no signal', needsNative, async (t) => {
  const { EPIPE, ECONNRESET } = addon().constants;
  const { fd } = temporaryFile(t, pattern(1000));
  const { server, client } = await (await socketPairs(t))();
  client.resetAndDestroy();
  await new Promise((resolve) => client.once('close', resolve));
  const socketFd = descriptorOf(server);
  const gone = [-EPIPE, -ECONNRESET];
  t.ok(gone.includes(addon().send(socketFd, [unpooled('x')], 0, 0)));
  t.ok(gone.includes(addon().sendfile(socketFd, fd, 0, 1000)));
});

t.test('the congestion control of a listener is set and passed on', needsNative, async (t) => {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.teardown(() => listener.close());
  const fd = descriptorOf(listener);
  const { ENOENT, EINVAL } = addon().constants;
  t.equal(addon().setCongestion(fd, 'reno'), 0, 'every kernel has it');
  t.equal(addon().getCongestion(fd), 'reno');
  t.equal(addon().setCongestion(fd, 'nosuch'), -ENOENT);
  t.equal(addon().getCongestion(fd), 'reno', 'is as it was');
  t.equal(addon().setCongestion(fd, 'a-name-that-is-too-long'), -EINVAL);
  t.equal(addon().setNoDelay(fd), 0);
});

t.test('what is no socket answers -ENOTSOCK', needsNative, async (t) => {
  const { ENOTSOCK } = addon().constants;
  const { fd } = temporaryFile(t, pattern(10));
  const before = openDescriptors();
  t.equal(addon().send(fd, [unpooled('x')], 0, 0), -ENOTSOCK);
  t.equal(addon().setNoDelay(fd), -ENOTSOCK);
  t.equal(addon().setCongestion(fd, 'cubic'), -ENOTSOCK);
  t.equal(addon().getCongestion(fd), -ENOTSOCK);
  t.equal(addon().shutdown(fd, addon().constants.SHUT_WR), -ENOTSOCK);
  t.throws(() => new (addon().SocketHandle)(fd, () => {}), { code: 'ENOTSOCK', errno: -ENOTSOCK });
  t.equal(openDescriptors(), before);
});
