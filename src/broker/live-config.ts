/**
 * The broker's config as it is now: what it was started with, under what was set at run time for all
 * brokers and, over that, for this one. `values` and `texts` are read at each use, never kept.
 *
 *     defaults < static < IncrementalAlterConfigs of "" < IncrementalAlterConfigs of this node's id
 */

import { type ConfigField, type ConfigUpdateMode, parseConfigValue } from '../base/config-table.js';
import type { MetadataImage } from '../cluster/metadata-image.js';
import type { ConfigLayer } from '../log/topic-config.js';
import { type BrokerConfig, brokerConfigTable } from './config.js';
import type { ServedListener } from './listeners.js';

export class LiveBrokerConfig implements BrokerConfig {
  readonly listeners: readonly ServedListener[];
  readonly nodeId: number;
  readonly dataDirs: readonly string[];
  readonly warnings: readonly string[];
  readonly #static: BrokerConfig;
  readonly #listeners = new Set<() => void>();
  #values: BrokerConfig['values'];
  #texts: ReadonlyMap<string, string>;
  #layers: readonly ConfigLayer[];

  constructor(config: BrokerConfig) {
    this.#static = config;
    this.listeners = config.listeners;
    this.nodeId = config.nodeId;
    this.dataDirs = config.dataDirs;
    this.warnings = config.warnings;
    this.#values = config.values;
    this.#texts = config.texts;
    this.#layers = [{ source: 'STATIC_BROKER_CONFIG', texts: config.texts }];
  }

  get values(): BrokerConfig['values'] {
    return this.#values;
  }

  get texts(): ReadonlyMap<string, string> {
    return this.#texts;
  }

  get layers(): readonly ConfigLayer[] {
    return this.#layers;
  }

  /** `listener` runs after each change, for what does not read `values` at each use. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Takes over what the image has for this node and for all. */
  update(image: MetadataImage): void {
    const own = usable(image.configsOf('broker', String(this.nodeId)));
    const shared = usable(image.configsOf('broker', ''));
    const { values, texts } = brokerConfigTable.parse([...this.#static.texts, ...shared, ...own]);
    this.#values = values;
    this.#texts = texts;
    this.#layers = [
      { source: 'DYNAMIC_BROKER_CONFIG', texts: own },
      { source: 'DYNAMIC_DEFAULT_BROKER_CONFIG', texts: shared },
      { source: 'STATIC_BROKER_CONFIG', texts: this.#static.texts },
    ];
    for (const listener of this.#listeners) listener();
  }
}

/** Whether and for whom a broker config may change at run time; null: there is none of that name. */
export function updateModeOf(name: string): ConfigUpdateMode | null {
  return brokerConfigTable.field(name)?.update ?? null;
}

/** Those that this version of the program knows: another one may have written them. */
function usable(configs: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(configs).filter(([name, text]) => {
      const field: ConfigField | undefined = brokerConfigTable.field(name);
      return field !== undefined && parseConfigValue(field, text).ok;
    }),
  );
}
