import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { ClientQuotas } from '#src/broker/quotas/client-quotas.js';
import { type ClientQuota, MetadataImage, type QuotaEntity } from '#src/cluster/metadata-image.js';

const windows = { count: 11, sizeMs: 1000 };

function quotasOf(...quotas: ClientQuota[]) {
  const clock = new ManualClock();
  const made = new ClientQuotas({ clock, windows, mutationWindows: windows });
  made.update(new MetadataImage([], [], quotas));
  return { quotas: made, clock };
}

function produce(rate: number, entity: QuotaEntity): ClientQuota {
  return { entity, values: { producer_byte_rate: rate } };
}

t.test('the strongest quota holds: every pair of the eight kinds', async (t) => {
  const kinds: readonly QuotaEntity[] = [
    { user: 'u', 'client-id': 'c' },
    { user: 'u', 'client-id': null },
    { user: 'u' },
    { user: null, 'client-id': 'c' },
    { user: null, 'client-id': null },
    { user: null },
    { 'client-id': 'c' },
    { 'client-id': null },
  ];
  const used = { producedBytes: 100_000, fetchedBytes: 0, handledMs: 0 };
  for (const [i, stronger] of kinds.entries()) {
    for (const weaker of kinds.slice(i + 1)) {
      const { quotas } = quotasOf(produce(1000, weaker), produce(1_000_000, stronger));
      t.equal(quotas.record({ user: 'u', clientId: 'c' }, used), 0);
      const swapped = quotasOf(produce(1_000_000, weaker), produce(1000, stronger));
      t.ok(swapped.quotas.record({ user: 'u', clientId: 'c' }, used) > 0);
    }
  }
});

t.test('clients share the quota of their user, not that of a client id', async (t) => {
  const used = { producedBytes: 8000, fetchedBytes: 0, handledMs: 0 };
  const shared = quotasOf(produce(1000, { user: null })).quotas;
  t.equal(shared.record({ user: 'u', clientId: 'a' }, used), 0);
  t.ok(shared.record({ user: 'u', clientId: 'b' }, used) > 0);
  t.equal(shared.record({ user: 'v', clientId: 'b' }, used), 0, 'another user has its own');
  const each = quotasOf(produce(1000, { 'client-id': null })).quotas;
  t.equal(each.record({ user: 'u', clientId: 'a' }, used), 0);
  t.equal(each.record({ user: 'u', clientId: 'b' }, used), 0);
  t.ok(each.record({ user: 'u', clientId: 'a' }, used) > 0);
});

t.test('each kind of use has its own rate, and time is throttled a window at most', async (t) => {
  const entity = { 'client-id': 'c' };
  const values = { consumer_byte_rate: 1000, request_percentage: 1 };
  const { quotas, clock } = quotasOf({ entity, values });
  const client = { user: 'u', clientId: 'c' };
  const use = (usage: object) =>
    quotas.record(client, { producedBytes: 0, fetchedBytes: 0, handledMs: 0, ...usage });
  t.equal(use({ producedBytes: 10_000_000 }), 0, 'no producer quota');
  t.equal(use({ fetchedBytes: 11_000 }), 1000);
  t.equal(quotas.fetchBytesMax(client), 10_000);
  t.equal(quotas.fetchBytesMax({ user: 'u', clientId: 'd' }), Number.POSITIVE_INFINITY);
  clock.advance(20_000);
  t.equal(use({ handledMs: 100 }), 0, '100 ms in 10 s are 1 percent');
  t.equal(use({ handledMs: 5000 }), 1000);
});

t.test('a strict quota of changes refuses in debt, a permissive one only tells', async (t) => {
  const { quotas, clock } = quotasOf({
    entity: { 'client-id': 'c' },
    values: { controller_mutation_rate: 1 },
  });
  const client = { user: 'u', clientId: 'c' };
  const first = quotas.mutations(client, true);
  t.equal(first.take(11), true, 'the burst');
  t.equal(first.take(5), true, 'into debt');
  t.equal(first.take(1), false);
  t.equal(first.throttleMs, 5000);
  const permissive = quotas.mutations(client, false);
  t.equal(permissive.take(1), true);
  t.equal(permissive.throttleMs, 6000);
  clock.advance(6000);
  t.equal(quotas.mutations(client, true).take(1), true);
  t.equal(quotas.mutations({ user: 'u', clientId: 'd' }, true).take(1_000_000), true);
});

t.test('connections of an address come at its rate', async (t) => {
  const rate = (value: number) => ({ connection_creation_rate: value });
  const { quotas, clock } = quotasOf(
    { entity: { ip: '10.0.0.1' }, values: rate(1) },
    { entity: { ip: null }, values: rate(2) },
  );
  const admitted = (address: string) => {
    let count = 0;
    while (count < 1000 && quotas.admitsConnection(address)) count++;
    return count;
  };
  t.equal(admitted('10.0.0.1'), 11);
  t.equal(admitted('10.0.0.2'), 21);
  clock.advance(11_000);
  t.ok(quotas.admitsConnection('10.0.0.1'));
  t.equal(quotas.active, false, 'no client has a quota');
});

t.test('ever new client ids take no more than so much memory', async (t) => {
  const { quotas } = quotasOf(produce(1000, { 'client-id': null }));
  const used = { producedBytes: 20_000, fetchedBytes: 0, handledMs: 0 };
  t.ok(quotas.record({ user: 'u', clientId: 'first' }, used) > 0);
  for (let i = 0; i < 10_001; i++) {
    quotas.record({ user: 'u', clientId: `c${i}` }, { ...used, producedBytes: 1 });
  }
  t.equal(quotas.record({ user: 'u', clientId: 'first' }, { ...used, producedBytes: 1 }), 0);
});
