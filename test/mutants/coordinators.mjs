// Planted faults of groups and transactions; mutants.mjs beside this file says what a fault is.

const decisions = 'test/coordinator/transaction/decisions.test.ts';
const coordinator = 'test/coordinator/transaction/transaction-coordinator.test.ts';
const classic = 'test/coordinator/group/classic-protocol.test.ts';
const consumer = 'test/coordinator/group/consumer-protocol.test.ts';
const commits = 'test/broker/handlers/08-offset-commit.test.ts';
const offsets = 'test/broker/transactions/offsets.test.ts';
const served = 'test/broker/transactions/transactions.test.ts';
const markers = 'test/log/transactions.test.ts';
const groupOffsets = 'test/coordinator/group/group-offsets.test.ts';
const currentAssignment = 'test/coordinator/group/current-assignment.test.ts';

const DECISIONS = 'src/coordinator/transaction/decisions.ts';
const COORDINATOR = 'src/coordinator/transaction/transaction-coordinator.ts';
const CLASSIC = 'src/coordinator/group/classic-protocol.ts';
const CONSUMER = 'src/coordinator/group/consumer-protocol.ts';
const COMMITS = 'src/coordinator/group/offset-commits.ts';
const COMMIT_PROBLEM = 'src/coordinator/group/commit-problem.ts';

export const coordinatorMutants = [
  // What is decided of a transactional id
  {
    name: 'transaction: a producer that comes anew gets no new epoch',
    file: DECISIONS,
    search:
      'const next = { ...renewed, producerEpoch: producerEpoch + 1, lastProducerEpoch: NO_EPOCH };',
    replace: 'const next = { ...renewed, producerEpoch, lastProducerEpoch: NO_EPOCH };',
    tests: [decisions, coordinator],
  },
  {
    name: 'transaction: an open one is taken over without its abort',
    file: DECISIONS,
    search: "if (metadata.state === 'Ongoing') {\n    // The epoch",
    replace: "if (metadata.state === 'Ongoing' && expected !== null) {\n    // The epoch",
    tests: [decisions, coordinator],
  },
  {
    name: 'transaction: an end of version 2 keeps the epoch',
    file: DECISIONS,
    search: 'producerEpoch: metadata.producerEpoch + (bumps ? 1 : 0),',
    replace: 'producerEpoch: metadata.producerEpoch,',
    tests: [decisions, coordinator],
  },
  {
    name: 'transaction: one that timed out keeps its epoch',
    file: DECISIONS,
    search: 'producerEpoch: metadata.producerEpoch + 1,\n    lastProducerEpoch',
    replace: 'producerEpoch: metadata.producerEpoch,\n    lastProducerEpoch',
    tests: [decisions, coordinator],
  },
  {
    name: 'transaction: a late end is taken for one of the next transaction',
    file: DECISIONS,
    search: '? isCurrent\n      : isPrepared',
    replace: '? isCurrent || isBumpRepeat\n      : isPrepared',
    tests: [decisions, coordinator, served],
  },
  {
    name: 'transaction: a fenced producer is taken',
    file: DECISIONS,
    search: "return metadata.producerEpoch === producerEpoch ? null : 'PRODUCER_FENCED';",
    replace: "return metadata.producerEpoch >= producerEpoch ? null : 'PRODUCER_FENCED';",
    tests: [decisions, coordinator],
  },
  {
    name: 'transaction: a batch joins one that is being ended',
    file: DECISIONS,
    search:
      "if (isPrepared(metadata)) return refuse('CONCURRENT_TRANSACTIONS');\n  const isOngoing",
    replace: 'const isOngoing',
    tests: [decisions, coordinator],
  },
  {
    name: 'transaction: partitions that were added before are forgotten',
    file: DECISIONS,
    search: 'partitions: union(metadata.partitions, request.partitions),',
    replace: 'partitions: union(request.partitions, request.partitions),',
    tests: [decisions, coordinator],
  },
  {
    name: 'transaction: records of an old client in a partition that it did not add',
    file: DECISIONS,
    search: "topic, partition) ? 'NONE' : 'TRANSACTION_ABORTABLE';",
    replace: "topic, partition) ? 'NONE' : 'NONE';",
    tests: [decisions, coordinator, served],
  },
  // The order of decision, markers and answers
  {
    name: 'transaction: a state counts before it is written',
    file: COORDINATOR,
    search:
      "const error = await this.#append(entry, next);\n    if (error === 'NONE') entry.metadata = next;",
    replace: 'entry.metadata = next;\n    const error = await this.#append(entry, next);',
    tests: [coordinator, served],
  },
  {
    name: 'transaction: markers before the decision is durable',
    file: COORDINATOR,
    search: 'entry.busy = true;\n    const error = await this.#append(entry, next);',
    replace:
      'entry.busy = true;\n    if (isPrepared(next)) {\n      entry.metadata = next;\n      this.#complete(entry);\n    }\n    const error = await this.#append(entry, next);',
    tests: [coordinator],
  },
  {
    name: 'transaction: complete before all its markers are written',
    file: COORDINATOR,
    search: 'if (left.length === 0) {\n        const next = completed',
    replace: 'if (left.length >= 0) {\n        const next = completed',
    tests: [coordinator],
  },
  {
    name: 'transaction: markers that could not be written are forgotten',
    file: 'src/coordinator/transaction/marker-writer.ts',
    search: "outcomes[i] === 'again');",
    replace: 'outcomes[i] === undefined);',
    tests: [coordinator],
  },
  {
    name: 'transaction: an abort writes commit markers',
    file: 'src/coordinator/transaction/marker-writer.ts',
    search: "commit: state === 'PrepareCommit',",
    replace: "commit: state !== 'Ongoing',",
    tests: [coordinator],
  },
  {
    name: 'transaction: what was prepared is not ended after a restart',
    file: COORDINATOR,
    search: 'if (entry.metadata !== null && isPrepared(entry.metadata)) this.#complete(entry);',
    replace: 'if (entry.metadata === null) this.#complete(entry);',
    tests: [coordinator],
  },
  {
    name: 'transaction: open for ever',
    file: COORDINATOR,
    search: 'if (metadata.startMs + metadata.timeoutMs >= nowMs) continue;',
    replace: 'if (metadata.startMs + metadata.timeoutMs >= nowMs || nowMs > 0) continue;',
    tests: [coordinator, served],
  },
  {
    name: 'transaction: aborted before its time is over',
    file: COORDINATOR,
    search: 'if (metadata.startMs + metadata.timeoutMs >= nowMs) continue;',
    replace: 'if (metadata.startMs >= nowMs) continue;',
    tests: [coordinator, served],
  },
  {
    name: 'transaction: an expired id leaves no tombstone',
    file: COORDINATOR,
    search: "if ((await this.#append(entry, null)) === 'NONE') {",
    replace: "if ((await Promise.resolve('NONE')) === 'NONE') {",
    tests: [coordinator],
  },
  {
    name: 'transaction: the tombstone of an id is passed over',
    file: COORDINATOR,
    search: 'this.#entries.delete(transactionalId);\n      return;',
    replace: 'return;',
    tests: [coordinator],
  },
  // What a partition believes
  {
    name: 'transaction: a marker of a zombie coordinator is written',
    file: 'src/log/producer-state.ts',
    search: 'if (coordinatorEpoch < entry.coordinatorEpoch) {',
    replace: 'if (coordinatorEpoch < -1) {',
    tests: [markers],
  },
  {
    name: 'transaction: a late marker of version 2 is written',
    file: 'src/log/producer-state.ts',
    search: '(epochRises && producerEpoch === entry.epoch && !isRepeated)',
    replace: '(epochRises && producerEpoch === entry.epoch && !isRepeated && producerEpoch < 0)',
    tests: [markers],
  },
  {
    name: 'transaction: plain records in the midst of an open one',
    file: 'src/log/producer-state.ts',
    search: 'if (entry.transactionFirstOffset >= 0 && batch.isTransactional !== true) {',
    replace: 'if (entry.transactionFirstOffset < -1 && batch.isTransactional !== true) {',
    tests: [markers, served],
  },
  // Offsets of groups
  {
    name: 'group: a member of an older generation commits',
    file: COMMIT_PROBLEM,
    search: "if (generationId !== group.generationId) return 'ILLEGAL_GENERATION';",
    replace: "if (generationId > group.generationId) return 'ILLEGAL_GENERATION';",
    tests: [commits],
  },
  {
    name: 'group: a member of an older member epoch commits',
    file: COMMIT_PROBLEM,
    search: 'if (member.current.memberEpoch === generationId) return null;',
    replace: 'if (member.current.memberEpoch >= generationId) return null;',
    tests: [consumer, 'test/broker/handlers/68-consumer-group-heartbeat.test.ts'],
  },
  {
    name: 'group: commits while it is being assigned',
    file: COMMIT_PROBLEM,
    search:
      "if (!isTransactional && group.state === 'CompletingRebalance') return 'REBALANCE_IN_PROGRESS';",
    replace: '',
    tests: [commits],
  },
  {
    name: 'group: an offset counts before it is written',
    file: COMMITS,
    search:
      'const written = await topic.append(entry.partition, records);\n    if (!written.ok) return withError(errors, commitError(written));',
    replace:
      'const writing = topic.append(entry.partition, records);\n    for (const { topic: name, partition, committed } of taken) {\n      entry.offsets.put(name, partition, { ...committed, recordOffset: 0 });\n    }\n    const written = await writing;\n    if (!written.ok) return withError(errors, commitError(written));',
    tests: [commits],
  },
  {
    name: 'group: an offset in a transaction counts at once',
    file: COMMITS,
    search:
      'entry.offsets.putPending(producerId, name, partition, { ...committed, recordOffset });',
    replace: 'entry.offsets.put(name, partition, { ...committed, recordOffset });',
    tests: [offsets],
  },
  {
    name: 'group: offsets of an aborted transaction count',
    file: 'src/coordinator/group/group-offsets.ts',
    search: 'if (pending === undefined || !committed) return;',
    replace: 'if (pending === undefined) return;',
    tests: [offsets],
  },
  {
    name: 'group: an offset of a transaction wins over a later one',
    file: 'src/coordinator/group/group-offsets.ts',
    search: 'known.recordOffset < offset.recordOffset',
    replace: 'known.recordOffset !== offset.recordOffset',
    tests: [groupOffsets],
  },
  {
    name: 'group: undecided offsets are told to who asked for stable ones',
    file: 'src/coordinator/group/group-coordinator.ts',
    search: 'const unstable = requireStable && (offsets?.isPending(topic, partition) ?? false);',
    replace: 'const unstable = requireStable && offsets === undefined;',
    tests: [offsets],
  },
  {
    name: 'group: an abort in __consumer_offsets is replayed as a commit',
    file: 'src/coordinator/state-replay.ts',
    search: "producerIdOf(bytes, at), control.type === 'commit');",
    replace: 'producerIdOf(bytes, at), true);',
    tests: [offsets, 'test/coordinator/state-topic.test.ts'],
  },
  {
    name: 'group: an expired one leaves no tombstone',
    file: COMMITS,
    search: 'else if (group.stored) records.push(groupTombstone(groupId));',
    replace: '',
    tests: [commits],
  },
  {
    name: 'group: an expired offset leaves no tombstone',
    file: COMMITS,
    search: 'const error = await this.append(entry.partition, records);\n    if',
    replace:
      "const error: ErrorName = records.length > 0 ? 'NONE' : 'UNKNOWN_SERVER_ERROR';\n    if",
    tests: [commits],
  },
  {
    name: 'group: offsets that members read from expire',
    file: COMMITS,
    search: 'return reads ? null : committed.commitTimestampMs;',
    replace: 'return reads && group.members.size === 0 ? null : committed.commitTimestampMs;',
    tests: [commits],
  },
  // Members
  {
    name: 'group: a rebalance keeps the generation',
    file: CLASSIC,
    search: 'group.generationId++;',
    replace: '',
    tests: [classic],
  },
  {
    name: 'group: a heartbeat of an older generation is answered well',
    file: CLASSIC,
    search:
      "if (generationId !== group.generationId) return 'ILLEGAL_GENERATION';\n    if (group.state === 'Empty')",
    replace: "if (group.state === 'Empty')",
    tests: [classic],
  },
  {
    name: 'group: a heartbeat does not tell of a rebalance',
    file: CLASSIC,
    search: "return group.state === 'PreparingRebalance' ? 'REBALANCE_IN_PROGRESS' : 'NONE';",
    replace: "return 'NONE';",
    tests: [classic],
  },
  {
    name: 'group: members are told an assignment before it is written',
    file: CLASSIC,
    search: 'const error = await this.#host.store(group, assignments);\n    // Members may',
    replace:
      "const stored = this.#host.store(group, assignments);\n    const error = await Promise.race([stored, Promise.resolve<ErrorName>('NONE')]);\n    // Members may",
    tests: [classic],
  },
  {
    name: 'group: an assignment for an older generation is given out',
    file: CLASSIC,
    search: "group.state !== 'CompletingRebalance' || group.generationId !== generationId) return;",
    replace: "group.state !== 'CompletingRebalance' || group.generationId < generationId) return;",
    tests: [classic],
  },
  {
    name: 'group: a static member whose place is taken goes on',
    file: 'src/coordinator/group/classic-group.ts',
    search: "if (known !== memberId) return 'FENCED_INSTANCE_ID';",
    replace: '',
    tests: [classic],
  },
  {
    name: 'group: a session has no end',
    file: CONSUMER,
    search: "() => this.fence(group, member, 'no heartbeat'),",
    replace: '() => {},',
    tests: [consumer],
  },
  {
    name: 'group: a partition is given before it is given back',
    file: 'src/coordinator/group/current-assignment.ts',
    search: 'if (isOwned(topicId, partition)) isUnreleased = true;\n      else added',
    replace: 'if (isOwned(topicId, partition)) isUnreleased = true;\n      added',
    tests: [consumer],
  },
  {
    name: 'group: a member that says nothing has given back',
    file: 'src/coordinator/group/current-assignment.ts',
    search: 'if (owned === null) return true;',
    replace: 'if (owned === null) return false;',
    tests: [currentAssignment],
  },
  {
    name: 'group: a member of an older member epoch lives on',
    file: CONSUMER,
    search: 'if (memberEpoch === current.memberEpoch) return null;',
    replace: 'if (memberEpoch <= current.memberEpoch) return null;',
    tests: [consumer, 'test/broker/handlers/68-consumer-group-heartbeat.test.ts'],
  },
  {
    name: 'group: a new subscription assigns nothing anew',
    file: CONSUMER,
    search: 'let bump = isResubscribed;',
    replace: 'let bump = isResubscribed && member === null;',
    tests: [consumer],
  },
  {
    name: 'group: who left is back after a restart',
    file: CONSUMER,
    search: 'records.push(...memberTombstones(group.groupId, memberId));',
    replace: '',
    tests: [consumer, 'test/broker/handlers/68-consumer-group-heartbeat.test.ts'],
  },
];
