/**
 * Torn or rotten (R1): what becomes of bytes that are not a good batch. Pure; the scan that finds the
 * facts is check.ts.
 *
 *     T  a torn tail: the process or the machine died in an append. Nothing acknowledged as durable is
 *        in it, nothing follows it. It is cut.
 *     R  rot: anything else. It is kept, marked, and answered with CORRUPT_MESSAGE; what is around it
 *        is served; its offsets are never given out again.
 *
 *     follower  broken  last segment  beyond recovery point   verdict
 *     valid     any     any           any                     skip       R with good batches behind it
 *     unclear   any     any           any                     keep-tail  may be R: never cut on a doubt
 *     none      no      any           any                     keep-tail  R: a good CRC was not torn
 *     none      yes     no            any                     keep-tail  R: this segment was rolled
 *     none      yes     yes           no                      keep-tail  R: this was durable once
 *     none      yes     yes           yes                     cut        T
 */

export interface DamageFacts {
  /**
   * What comes after the damage: a good batch, nothing, or what might be one (a batch inside the value
   * of a torn one looks like one that follows).
   */
  readonly follower: 'valid' | 'none' | 'unclear';
  /** True: the bytes are no batch. False: a batch with a good CRC whose offsets do not belong here. */
  readonly broken: boolean;
  readonly lastSegment: boolean;
  /** The first damaged offset is at or after the recovery point. */
  readonly beyondRecoveryPoint: boolean;
}

/**
 * - `cut`: truncate here, physically, and sync before the first append (R2)
 * - `skip`: mark the range up to the follower, go on behind it
 * - `keep-tail`: mark everything to the segment's end; nothing is appended to this segment any more
 */
export type DamageVerdict = 'cut' | 'skip' | 'keep-tail';

export function judgeDamage(facts: DamageFacts): DamageVerdict {
  if (facts.follower === 'valid') return 'skip';
  const torn =
    facts.follower === 'none' && facts.broken && facts.lastSegment && facts.beyondRecoveryPoint;
  return torn ? 'cut' : 'keep-tail';
}
