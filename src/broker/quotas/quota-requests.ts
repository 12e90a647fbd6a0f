/**
 * What DescribeClientQuotas and AlterClientQuotas may ask for: names of entities and quotas, their
 * ranges, filters; with Kafka's errors.
 */

import type { ClientQuota, QuotaEntity, QuotaEntityType } from '../../cluster/metadata-image.js';

/** A refusal: the name of a Kafka error, and why. */
export interface QuotaRefusal {
  readonly error: 'INVALID_REQUEST' | 'UNSUPPORTED_VERSION';
  readonly message: string;
}

/** Loose for IPv6: what is no address is asked for by no connection. */
const ADDRESS = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$|^(?=.*:)[0-9a-fA-F:.]{2,45}$/;

const ENTITY_TYPES: readonly string[] = ['user', 'client-id', 'ip'] satisfies QuotaEntityType[];

interface QuotaKey {
  /** Byte rates are whole numbers. */
  readonly whole: boolean;
  readonly ofAddresses: boolean;
}

const KEYS: Readonly<Record<string, QuotaKey>> = {
  producer_byte_rate: { whole: true, ofAddresses: false },
  consumer_byte_rate: { whole: true, ofAddresses: false },
  request_percentage: { whole: false, ofAddresses: false },
  controller_mutation_rate: { whole: false, ofAddresses: false },
  connection_creation_rate: { whole: true, ofAddresses: true },
};

interface EntityPart {
  readonly entityType: string;
  readonly entityName: string | null;
}

/** The entity of an AlterClientQuotas entry. */
export function entityOf(parts: readonly EntityPart[]): QuotaEntity | QuotaRefusal {
  if (parts.length === 0) return invalid('Invalid empty client quota entity');
  const entity: Partial<Record<QuotaEntityType, string | null>> = {};
  for (const { entityType, entityName } of parts) {
    if (!ENTITY_TYPES.includes(entityType)) {
      return invalid(`Unhandled client quota entity type: ${entityType}`);
    }
    if (entityType in entity) {
      return invalid(`Invalid client quota entity: ${entityType} is given twice`);
    }
    if (entityName === '') return invalid(`Empty ${entityType} not supported`);
    entity[entityType as QuotaEntityType] = entityName;
  }
  const { ip } = entity;
  if (ip === undefined) return entity;
  if (parts.length > 1)
    return invalid(
      'Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId',
    );
  if (ip !== null && !ADDRESS.test(ip))
    return invalid(`${ip} is not a valid IP or resolvable host.`);
  return entity;
}

export function isRefusal(value: QuotaEntity | QuotaRefusal): value is QuotaRefusal {
  return 'error' in value;
}

interface Operation {
  readonly key: string;
  readonly value: number;
  readonly remove: boolean;
}

/** Why the operations cannot be done on the entity; null if they can. */
export function operationsProblem(
  entity: QuotaEntity,
  operations: readonly Operation[],
): QuotaRefusal | null {
  for (const { key, value, remove } of operations) {
    const known = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
    if (known === undefined || known.ofAddresses !== 'ip' in entity) {
      return invalid(`Invalid configuration key ${key}`);
    }
    if (remove) continue;
    if (known.whole && !Number.isInteger(value)) {
      return invalid(`${key} cannot be a fractional value.`);
    }
    if (!(value > 0 && Number.isFinite(value))) {
      return invalid(`Quota ${key} must be greater than 0`);
    }
    if (known.whole && value > (known.ofAddresses ? 2 ** 31 - 1 : 2 ** 63)) {
      return invalid(`Quota ${key} is too large`);
    }
  }
  return null;
}

/** The values of an entity after the operations. */
export function valuesAfter(
  values: Readonly<Record<string, number>>,
  operations: readonly Operation[],
): Readonly<Record<string, number>> {
  const after: Record<string, number> = { ...values };
  for (const { key, value, remove } of operations) {
    if (remove) delete after[key];
    else after[key] = value;
  }
  return after;
}

interface FilterComponent {
  readonly entityType: string;
  readonly matchType: number;
  readonly match: string | null;
}

const EXACT = 0;
const DEFAULT = 1;
const ANY = 2;

/** Why a filter cannot be used; null if it can. */
export function filterProblem(components: readonly FilterComponent[]): QuotaRefusal | null {
  const seen = new Set<string>();
  for (const { entityType, matchType, match } of components) {
    if (entityType === '') return invalid('Invalid empty entity type.');
    if (seen.has(entityType)) {
      return invalid(`Entity type ${entityType} cannot appear more than once in the filter.`);
    }
    if (!ENTITY_TYPES.includes(entityType)) {
      const message = `Unsupported entity type ${entityType}`;
      return { error: 'UNSUPPORTED_VERSION', message };
    }
    seen.add(entityType);
    if (matchType === EXACT && match === null) {
      return invalid('Request specified MATCH_TYPE_EXACT, but set match string to null.');
    }
    if ((matchType === DEFAULT || matchType === ANY) && match !== null) {
      const name = matchType === DEFAULT ? 'DEFAULT' : 'SPECIFIED';
      return invalid(`Request specified MATCH_TYPE_${name}, but also specified a match string.`);
    }
    if (matchType < EXACT || matchType > ANY) return invalid(`Unknown match type ${matchType}`);
  }
  if (seen.has('ip') && seen.size > 1) {
    return invalid(
      'Invalid entity filter component combination. IP filter component should not be used with user or clientId filter component.',
    );
  }
  return null;
}

/** Whether the entity has every component; `strict`: and no other type. */
export function matchesFilter(
  { entity }: ClientQuota,
  components: readonly FilterComponent[],
  strict: boolean,
): boolean {
  if (strict && Object.keys(entity).length !== components.length) return false;
  return components.every(({ entityType, matchType, match }) => {
    const name = entity[entityType as QuotaEntityType];
    if (name === undefined) return false;
    return matchType === ANY || name === (matchType === EXACT ? match : null);
  });
}

function invalid(message: string): QuotaRefusal {
  return { error: 'INVALID_REQUEST', message };
}
