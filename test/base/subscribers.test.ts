import t from 'tap';
import { Subscribers, type Subscription } from '#src/base/subscribers.js';

function recorded() {
  const subscribers = new Subscribers();
  const seen: number[] = [];
  const add = (key: number) => subscribers.add((given) => seen.push(given), key);
  const notified = () => {
    seen.length = 0;
    subscribers.notify();
    return [...seen];
  };
  return { subscribers, seen, add, notified };
}

t.test('everyone is told, with its key, in the order in which they came', (t) => {
  const { add, notified } = recorded();
  t.same(notified(), []);
  for (const key of [3, 1, 2]) add(key);
  t.same(notified(), [3, 1, 2]);
  t.same(notified(), [3, 1, 2]);
  t.end();
});

t.test('whoever has ended is not told any more, wherever it was in the list', (t) => {
  const { add, notified } = recorded();
  const [first, middle, last] = [0, 1, 2].map(add) as [Subscription, Subscription, Subscription];
  middle.end();
  middle.end();
  t.same(notified(), [0, 2]);
  last.end();
  add(3);
  t.same(notified(), [0, 3]);
  first.end();
  t.same(notified(), [3]);
  t.end();
});

t.test('what has left the list points to nothing in it', (t) => {
  const { subscribers, add } = recorded();
  const [first, middle, last] = [0, 1, 2].map(add) as [Subscription, Subscription, Subscription];
  middle.end();
  t.same([middle.previous, middle.next], [null, null]);
  const own: Subscription = subscribers.add(() => {
    for (const one of [first, last, own]) one.end();
  }, 3);
  subscribers.notify();
  for (const one of [first, last, own]) t.same([one.previous, one.next], [null, null]);
  t.end();
});

t.test('a callback may end its own subscription and those behind it', (t) => {
  const { subscribers, seen, add, notified } = recorded();
  add(0);
  const own: Subscription = subscribers.add(() => {
    own.end();
    for (const one of behind) one.end();
  }, 1);
  const behind = [add(2), add(3)];
  add(4);
  subscribers.notify();
  t.same(seen, [0, 4]);
  t.same(notified(), [0, 4]);
  add(5);
  t.same(notified(), [0, 4, 5]);
  t.end();
});
