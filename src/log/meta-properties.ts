/**
 * meta.properties: which node and cluster a data directory belongs to. Version 1 as Kafka 4 writes it
 * (node.id, cluster.id, directory.id); version 0 (broker.id) is read too.
 */

export const META_PROPERTIES_FILE = 'meta.properties';

export interface MetaProperties {
  readonly nodeId: number | null;
  readonly clusterId: string | null;
  readonly directoryId: string | null;
}

export function formatMetaProperties(meta: MetaProperties): string {
  const lines = ['#', '# Written by Millrace in the format of Apache Kafka.'];
  if (meta.clusterId !== null) lines.push(`cluster.id=${meta.clusterId}`);
  if (meta.directoryId !== null) lines.push(`directory.id=${meta.directoryId}`);
  if (meta.nodeId !== null) lines.push(`node.id=${meta.nodeId}`);
  lines.push('version=1');
  return `${lines.join('\n')}\n`;
}

/** Null for a text that is not of version 0 or 1. */
export function parseMetaProperties(text: string): MetaProperties | null {
  const properties = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*([^#!\s=:][^\s=:]*)\s*[=:]\s*(.*)$/.exec(line);
    if (match !== null) properties.set(match[1] as string, unescapeJava(match[2] as string));
  }
  const version = properties.get('version');
  if (version !== '0' && version !== '1') return null;
  const id = properties.get(version === '1' ? 'node.id' : 'broker.id');
  if (id !== undefined && !/^\d{1,10}$/.test(id)) return null;
  return {
    nodeId: id === undefined ? null : Number(id),
    clusterId: properties.get('cluster.id') ?? null,
    directoryId: properties.get('directory.id') ?? null,
  };
}

/** Java writes "\:" and "\=" into values. */
function unescapeJava(value: string): string {
  return value.trim().replace(/\\(.)/g, '$1');
}
