import t from 'tap';
import { Semaphore } from '#src/base/semaphore.js';

t.test('so many run at a time, the others in the order of their calls', async (t) => {
  for (const count of [1, 2, 3]) {
    const semaphore = new Semaphore(count);
    let running = 0;
    let most = 0;
    const begun: number[] = [];
    const tasks = Array.from({ length: 7 }, (_, i) =>
      semaphore.run(async () => {
        begun.push(i);
        most = Math.max(most, ++running);
        await new Promise(setImmediate);
        running--;
        if (i === 3) throw new Error('one that fails');
        return i;
      }),
    );
    const settled = await Promise.allSettled(tasks);
    t.same(begun, [0, 1, 2, 3, 4, 5, 6]);
    t.equal(most, count);
    t.same(
      settled.map((result) => (result.status === 'fulfilled' ? result.value : 'failed')),
      [0, 1, 2, 'failed', 4, 5, 6],
    );
  }
});
