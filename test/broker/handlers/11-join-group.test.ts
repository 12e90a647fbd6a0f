import t from 'tap';
import type { Broker } from '#src/broker/broker.js';
import { errorCodes } from '#src/protocol/error-codes.js';
import { joinGroup } from '#src/protocol/messages/11-join-group.js';
import { heartbeat } from '#src/protocol/messages/12-heartbeat.js';
import { leaveGroup } from '#src/protocol/messages/13-leave-group.js';
import { syncGroup } from '#src/protocol/messages/14-sync-group.js';
import { describeGroups } from '#src/protocol/messages/15-describe-groups.js';
import { joinRequest, startMember } from '../../support/group-member.js';
import { connectTo, startBroker, tempDir } from '../../support/test-broker.js';

t.test('a member by every version of the protocol', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  for (let version = 0; version <= 9; version++) {
    const groupId = `by-${version}`;
    let join = await client.request(joinGroup, version, joinRequest(groupId));
    if (version >= 4) {
      t.equal(join.errorCode, errorCodes.MEMBER_ID_REQUIRED);
      t.equal(join.protocolName, version >= 7 ? null : '');
      const { memberId } = join;
      join = await client.request(joinGroup, version, joinRequest(groupId, { memberId }));
    }
    t.match(join, { errorCode: 0, generationId: 1, protocolName: 'range', leader: join.memberId });
    t.equal(join.protocolType, version >= 7 ? 'consumer' : null);
    t.match(join.memberId, /^raw-client-[0-9a-f-]{36}$/);
    const { memberId, generationId } = join;
    const syncVersion = Math.min(version, 5);
    const sync = await client.request(syncGroup, syncVersion, {
      groupId,
      generationId,
      memberId,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments: [{ memberId, assignment: Buffer.from('all') }],
    });
    t.match(sync, { errorCode: 0 });
    t.equal(Buffer.from(sync.assignment).toString(), 'all');
    const beat = { groupId, generationId, memberId };
    t.match(await client.request(heartbeat, Math.min(version, 4), beat), { errorCode: 0 });
    const left = await client.request(leaveGroup, Math.min(version, 5), {
      groupId,
      memberId,
      members: [{ memberId }, { memberId: 'x', groupInstanceId: null }],
    });
    t.equal(left.errorCode, 0);
    if (version < 3) continue;
    t.match(left.members, [
      { memberId, groupInstanceId: null, errorCode: 0 },
      { memberId: 'x', errorCode: errorCodes.UNKNOWN_MEMBER_ID },
    ]);
  }
});

t.test('refusals', async (t) => {
  const client = await connectTo(t, await startBroker(t, { 'group.max.size': 1 }));
  const join = async (fields: object, version = 5) =>
    client.request(joinGroup, version, joinRequest('g', fields));
  t.match(await join({ groupId: '' }), { errorCode: errorCodes.INVALID_GROUP_ID });
  t.match(await join({ sessionTimeoutMs: 5999 }), {
    errorCode: errorCodes.INVALID_SESSION_TIMEOUT,
  });
  t.match(await join({ sessionTimeoutMs: 1_800_001 }), {
    errorCode: errorCodes.INVALID_SESSION_TIMEOUT,
  });
  t.match(await join({ memberId: 'x' }), { errorCode: errorCodes.UNKNOWN_MEMBER_ID });
  t.match(await join({ protocols: [] }), { errorCode: errorCodes.INCONSISTENT_GROUP_PROTOCOL });
  t.match(await join({ protocolType: '' }), { errorCode: errorCodes.INCONSISTENT_GROUP_PROTOCOL });
  const member = await startMember(client, 'g', { version: 3 });
  t.match(await join({}, 3), { errorCode: errorCodes.GROUP_MAX_SIZE_REACHED });
  const { memberId, generationId } = member;
  const sync = (fields: object) =>
    client.request(syncGroup, 5, {
      groupId: 'g',
      generationId,
      memberId,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments: [],
      ...fields,
    });
  const assignment = Buffer.alloc(0);
  t.match(await sync({ groupId: '' }), { errorCode: errorCodes.INVALID_GROUP_ID, assignment });
  t.match(await sync({ groupId: 'h' }), { errorCode: errorCodes.UNKNOWN_MEMBER_ID });
  t.match(await sync({ generationId: 9 }), { errorCode: errorCodes.ILLEGAL_GENERATION });
  t.match(await sync({ protocolName: null }), {
    errorCode: errorCodes.INCONSISTENT_GROUP_PROTOCOL,
  });
  t.match(await sync({ protocolName: 'sticky' }), {
    errorCode: errorCodes.INCONSISTENT_GROUP_PROTOCOL,
  });
  const beat = (groupId: string, generation: number) =>
    client.request(heartbeat, 4, { groupId, generationId: generation, memberId });
  t.match(await beat('', 1), { errorCode: errorCodes.INVALID_GROUP_ID });
  t.match(await beat('h', 1), { errorCode: errorCodes.UNKNOWN_MEMBER_ID });
  t.match(await beat('g', 9), { errorCode: errorCodes.ILLEGAL_GENERATION });
  const leave = (groupId: string, version: number) =>
    client.request(leaveGroup, version, { groupId, memberId: 'x', members: [{ memberId: 'x' }] });
  t.match(await leave('', 5), { errorCode: errorCodes.INVALID_GROUP_ID });
  t.match(await leave('h', 0), { errorCode: errorCodes.UNKNOWN_MEMBER_ID });
  t.match(await leave('h', 5), {
    errorCode: 0,
    members: [{ errorCode: errorCodes.UNKNOWN_MEMBER_ID }],
  });
});

t.test('a group outlives a restart: its member goes on without joining again', async (t) => {
  const dir = tempDir(t);
  const first = await startBroker(t, { 'log.dirs': dir });
  const member = await startMember(await connectTo(t, first), 'g', { assignment: 'mine' });
  await first.close();
  const second = await startBroker(t, { 'log.dirs': dir });
  const client = await connectTo(t, second);
  const { memberId, generationId } = member;
  const beat = { groupId: 'g', generationId, memberId };
  t.match(await client.request(heartbeat, 4, beat), { errorCode: 0 });
  const { groups } = await client.request(describeGroups, 6, { groups: ['g'] });
  t.match(groups, [
    {
      errorCode: 0,
      groupState: 'Stable',
      protocolType: 'consumer',
      protocolData: 'range',
      members: [{ memberId, clientId: 'raw-client', clientHost: '/127.0.0.1' }],
    },
  ]);
  t.equal(Buffer.from(groups[0]?.members[0]?.memberAssignment ?? []).toString(), 'mine');
});

t.test('closing the broker answers who waits', async (t) => {
  const broker: Broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await startMember(client, 'g', { version: 3 });
  const waiting = await connectTo(t, broker);
  const { frame } = waiting.send(joinGroup, 3, joinRequest('g'));
  const before = await client.request(describeGroups, 5, { groups: ['g'] });
  t.equal(before.groups.length, 1);
  const closing = broker.close();
  const answer = waiting.decode(joinGroup, 3, await frame);
  t.match(answer, { errorCode: errorCodes.NOT_COORDINATOR });
  await closing;
});
