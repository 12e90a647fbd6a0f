import t from 'tap';
import { FixedQueue } from '#src/base/fixed-queue.js';
import { seededRandom } from '#src/base/random.js';

t.test('answers what an array answers, through growth and wrap-around', async (t) => {
  const random = seededRandom(7);
  const queue = new FixedQueue<number>();
  const model: number[] = [];
  for (let step = 0; step < 5_000; step++) {
    // Phases in which it mostly fills and mostly empties.
    if (random.below(10) < (Math.floor(step / 500) % 2 === 0 ? 7 : 3)) {
      queue.push(step);
      model.push(step);
    } else if (queue.shift() !== model.shift()) {
      t.fail(`shift differs at step ${step}`);
    }
    const index = random.below(model.length + 2);
    if (queue.size !== model.length || queue.peek(index) !== model[index]) {
      t.fail(`size or item differs at step ${step}`);
    }
  }
  t.ok(model.length >= 0, 'no step differed');
});

t.test('an empty queue answers undefined', async (t) => {
  const queue = new FixedQueue<string>();
  t.equal(queue.shift(), undefined);
  t.equal(queue.peek(), undefined);
  t.equal(queue.size, 0);
});

t.test('to fill it over its bound is a programmer error', async (t) => {
  const queue = new FixedQueue<number>(3);
  for (let i = 0; i < 3; i++) queue.push(i);
  t.throws(() => queue.push(3), /full/);
  queue.shift();
  queue.push(3);
  t.same([queue.shift(), queue.shift(), queue.shift()], [1, 2, 3]);
});
