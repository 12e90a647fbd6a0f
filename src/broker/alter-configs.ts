/**
 * What IncrementalAlterConfigs and AlterConfigs share: one answer per resource, in the order asked;
 * Kafka's checks of the request; and the way to the controller for topics, brokers (this node's id, or
 * '' for the defaults of all brokers), client metrics and groups.
 */

import {
  type ConfigFields,
  type ConfigTable,
  formatConfigValue,
  invalidValueText,
  parseConfigValue,
} from '../base/config-table.js';
import type { ChangeResult, ConfigChange, Refused } from '../cluster/controller.js';
import { topicConfigTable } from '../log/topic-config-table.js';
import { topicNameProblem } from '../log/topic-name.js';
import { errorCodes } from '../protocol/error-codes.js';
import { brokerConfigTable } from './config.js';
import { groupConfigsProblem, groupConfigTable } from './group-config.js';
import type { BrokerServices } from './handler.js';
import { updateModeOf } from './live-config.js';
import { clientMetricsTable } from './telemetry/client-metrics-config.js';

/** Codes of what has configs. */
export const TOPIC = 2;
export const BROKER = 4;
export const BROKER_LOGGER = 8;
export const CLIENT_METRICS = 16;
export const GROUP = 32;

/** Codes of the operations of IncrementalAlterConfigs. */
export const SET = 0;
export const DELETE = 1;
export const APPEND = 2;
export const SUBTRACT = 3;

export interface ConfigOperation {
  readonly name: string;
  readonly configOperation: number;
  readonly value: string | null;
}

export interface AlteredResource {
  readonly resourceType: number;
  readonly resourceName: string;
}

export interface AlteredAnswer extends AlteredResource {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

interface Asked extends AlteredResource {
  readonly configs: readonly { readonly name: string; readonly value: string | null }[];
}

/**
 * Alters one resource after the other; `changeOf` makes the change of one, or refuses it. A resource
 * that is named twice is refused, each time.
 */
export async function alterResources<R extends Asked>(
  broker: BrokerServices,
  resources: readonly R[],
  validateOnly: boolean,
  changeOf: (resource: R) => ConfigChange | Refused,
): Promise<AlteredAnswer[]> {
  const counts = new Map<string, number>();
  for (const resource of resources) {
    counts.set(keyOf(resource), (counts.get(keyOf(resource)) ?? 0) + 1);
  }
  const answers: AlteredAnswer[] = [];
  for (const resource of resources) {
    const { resourceType, resourceName } = resource;
    const result =
      (counts.get(keyOf(resource)) as number) > 1
        ? refused('INVALID_REQUEST', 'Each resource must appear at most once.')
        : await alter(broker, resource, validateOnly, changeOf);
    answers.push({
      errorCode: result.ok ? errorCodes.NONE : errorCodes[result.error],
      errorMessage: result.ok ? null : result.message,
      resourceType,
      resourceName,
    });
  }
  return answers;
}

function keyOf({ resourceType, resourceName }: AlteredResource): string {
  return `${resourceType}/${resourceName}`;
}

async function alter<R extends Asked>(
  broker: BrokerServices,
  resource: R,
  validateOnly: boolean,
  changeOf: (resource: R) => ConfigChange | Refused,
): Promise<ChangeResult> {
  const { resourceType, resourceName: name, configs } = resource;
  if (new Set(configs.map((config) => config.name)).size < configs.length) {
    return refused('INVALID_REQUEST', 'Error due to duplicate config keys');
  }
  const change = changeOf(resource);
  if (typeof change !== 'function') return change;
  const { controller, nodeId } = broker;
  switch (resourceType) {
    case TOPIC: {
      if (name === '')
        return refused('INVALID_REQUEST', 'Default topic resources are not allowed.');
      const problem = topicNameProblem(name);
      if (problem !== null) return refused('INVALID_TOPIC_EXCEPTION', problem);
      return controller.alterTopicConfigs(name, change, { validateOnly });
    }
    case BROKER: {
      if (name !== '' && name !== String(nodeId)) return wrongBroker(name, nodeId);
      const checked = checkedBy(change, (configs) => brokerProblem(configs, name !== ''));
      return controller.alterResourceConfigs('broker', name, checked, { validateOnly });
    }
    case BROKER_LOGGER: {
      if (name !== String(nodeId)) return wrongBroker(name, nodeId);
      return loggerResult(configs);
    }
    case CLIENT_METRICS: {
      if (name === '') {
        return refused('INVALID_REQUEST', "Subscription name can't be empty");
      }
      const checked = checkedBy(change, clientMetricsProblem);
      return controller.alterResourceConfigs('client-metrics', name, checked, { validateOnly });
    }
    case GROUP: {
      if (name === '')
        return refused('INVALID_REQUEST', 'Default group resources are not allowed.');
      const checked = checkedBy(change, (given) => {
        const problem = groupConfigsProblem(given, broker.config.values);
        return problem === null ? null : refused('INVALID_CONFIG', problem);
      });
      return controller.alterResourceConfigs('group', name, checked, { validateOnly });
    }
    default:
      return refused('INVALID_REQUEST', `Unknown resource type ${resourceType}`);
  }
}

/** The table that says which configs of a resource are lists. */
export function tableOf(resourceType: number): ConfigTable<ConfigFields> | null {
  switch (resourceType) {
    case TOPIC:
      return topicConfigTable;
    case BROKER:
      return brokerConfigTable;
    case CLIENT_METRICS:
      return clientMetricsTable;
    case GROUP:
      return groupConfigTable;
    default:
      return null;
  }
}

/** Null values where one is needed. */
export function nullValueProblem(
  configs: readonly { readonly name: string; readonly value: string | null }[],
): Refused | null {
  const nulls = configs.filter(({ value }) => value === null).map(({ name }) => name);
  if (nulls.length === 0) return null;
  return refused('INVALID_REQUEST', `Null value not supported for : ${nulls.join(',')}`);
}

/** The change that sets, deletes, appends and subtracts, one after the other. */
export function changeBy(
  resourceType: number,
  operations: readonly ConfigOperation[],
): ConfigChange {
  const table = tableOf(resourceType);
  return (current) => {
    const configs: Record<string, string> = { ...current };
    for (const { name, configOperation, value } of operations) {
      if (configOperation === DELETE) {
        delete configs[name];
        continue;
      }
      if (configOperation === SET) {
        configs[name] = value as string;
        continue;
      }
      const field = table?.field(name);
      if (field?.type !== 'list') {
        const what = configOperation === APPEND ? 'APPEND' : 'SUBTRACT';
        const text = `Can't ${what} to key ${name} because its type is not LIST.`;
        return refused('INVALID_CONFIG', text);
      }
      const fallback = field.default === null ? '' : formatConfigValue(field, field.default);
      const items = itemsOf(configs[name] ?? fallback);
      const given = itemsOf(value as string);
      configs[name] =
        configOperation === APPEND
          ? [...new Set([...items, ...given])].join(',')
          : items.filter((item) => !given.includes(item)).join(',');
    }
    return { ok: true, configs };
  };
}

function itemsOf(text: string): string[] {
  const items = text.split(',').map((item) => item.trim());
  return items.filter((item) => item !== '');
}

function checkedBy(
  change: ConfigChange,
  problemOf: (configs: Readonly<Record<string, string>>) => Refused | null,
): ConfigChange {
  return (current) => {
    const changed = change(current);
    return changed.ok ? (problemOf(changed.configs) ?? changed) : changed;
  };
}

/** Kafka refuses these with INVALID_REQUEST, for the sake of old clients (KAFKA-13609). */
function brokerProblem(
  configs: Readonly<Record<string, string>>,
  ofOneBroker: boolean,
): Refused | null {
  const names = Object.keys(configs);
  const unknown = names.find((name) => updateModeOf(name) === null);
  if (unknown !== undefined) {
    return refused('INVALID_CONFIG', `Unknown broker config name: ${unknown}`);
  }
  const fixed = names.filter((name) => updateModeOf(name) === 'read-only');
  if (fixed.length > 0) {
    const text = `Cannot update these configs dynamically: Set(${fixed.join(', ')})`;
    return refused('INVALID_REQUEST', text);
  }
  const own = names.filter((name) => updateModeOf(name) === 'per-broker');
  if (!ofOneBroker && own.length > 0) {
    const text = `Cannot update these configs at default cluster level, broker id must be specified: Set(${own.join(', ')})`;
    return refused('INVALID_REQUEST', text);
  }
  for (const [name, text] of Object.entries(configs)) {
    const field = brokerConfigTable.field(name);
    const parsed = field === undefined ? null : parseConfigValue(field, text);
    if (parsed?.ok !== false) continue;
    return refused('INVALID_REQUEST', invalidValueText(name, text, parsed));
  }
  return null;
}

function clientMetricsProblem(configs: Readonly<Record<string, string>>): Refused | null {
  const unknown = Object.keys(configs).find((name) => !(name in clientMetricsTable.fields));
  if (unknown !== undefined) {
    return refused('INVALID_REQUEST', `Unknown client metrics configuration: ${unknown}`);
  }
  for (const [name, text] of Object.entries(configs)) {
    const field = clientMetricsTable.field(name);
    const parsed = field === undefined ? null : parseConfigValue(field, text);
    if (parsed?.ok !== false) continue;
    if (name === 'match') return refused('INVALID_CONFIG', parsed.message);
    return name === 'interval.ms' && /^\d+$/.test(text)
      ? refused('INVALID_REQUEST', intervalText(text))
      : refused('INVALID_REQUEST', invalidValueText(name, text, parsed));
  }
  return null;
}

function intervalText(text: string): string {
  return `Invalid value ${text} for interval.ms, interval must be between 100 and 3600000 (1 hour)`;
}

/** There are no loggers whose level could be set. */
function loggerResult(configs: Asked['configs']): ChangeResult {
  const [first] = configs;
  if (first === undefined) return { ok: true };
  return refused('INVALID_CONFIG', `Logger ${first.name} does not exist!`);
}

function wrongBroker(name: string, nodeId: number): Refused {
  if (!/^-?\d+$/.test(name)) {
    return refused('INVALID_REQUEST', `Node id must be an integer, but it is: ${name}`);
  }
  const text = `Unexpected broker id, expected ${nodeId}, but received ${name}`;
  return refused('INVALID_REQUEST', text);
}

export function refused(error: Refused['error'], message: string): Refused {
  return { ok: false, error, message };
}
