import t from 'tap';
import { Mutex } from '#src/base/mutex.js';

t.test('one task runs at a time, in the order of the calls', async (t) => {
  const mutex = new Mutex();
  const trace: string[] = [];
  const task = (name: string) => async () => {
    trace.push(`${name}+`);
    await new Promise((resolve) => setImmediate(resolve));
    trace.push(`${name}-`);
    return name;
  };
  const results = await Promise.all(['a', 'b', 'c'].map((name) => mutex.run(task(name))));
  t.same(results, ['a', 'b', 'c']);
  t.same(trace, ['a+', 'a-', 'b+', 'b-', 'c+', 'c-']);
  t.equal(mutex.held, false);
});

t.test('a task that fails lets the next one in', async (t) => {
  const mutex = new Mutex();
  const failed = mutex.run(() => {
    throw new Error('no');
  });
  const next = mutex.run(() => 7);
  await t.rejects(failed, /no/);
  t.equal(await next, 7);
  await t.rejects(
    mutex.run(() => Promise.reject(new Error('again'))),
    /again/,
  );
  t.equal(mutex.held, false);
});

t.test('nobody slips in between a holder and the one who waits', async (t) => {
  const mutex = new Mutex();
  const trace: number[] = [];
  const first = mutex.run(() => trace.push(1));
  const second = mutex.run(() => trace.push(2));
  await first;
  const third = mutex.run(() => trace.push(3));
  await Promise.all([second, third]);
  t.same(trace, [1, 2, 3]);
});
