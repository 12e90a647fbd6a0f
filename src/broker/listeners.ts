/** `listeners`, `advertised.listeners` and the protocol map, as texts of a config. Pure. */

import { MillraceError } from '../base/errors.js';

export interface Listener {
  /** As in `PLAINTEXT://...`, upper case. */
  readonly name: string;
  /** Empty: all interfaces. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

export interface ListenerTexts {
  readonly listeners: string;
  readonly advertised: string | null;
  readonly protocolMap: string;
  readonly controllerNames: readonly string[];
}

export interface ServedListener extends Listener {
  /** What clients are told; null: derived from the listener and the connection. */
  readonly advertised: Listener | null;
}

/**
 * The listeners to open. Throws a MillraceError INVALID_CONFIG for texts that are malformed, for
 * listeners with TLS or SASL (not built), and if none is left after those of the controller.
 */
export function servedListeners(texts: ListenerTexts): ServedListener[] {
  const protocols = parseProtocolMap(texts.protocolMap);
  const advertised = new Map(
    parseListeners('advertised.listeners', texts.advertised ?? '').map((one) => [one.name, one]),
  );
  const controllers = new Set(texts.controllerNames.map((name) => name.toUpperCase()));
  const served: ServedListener[] = [];
  for (const listener of parseListeners('listeners', texts.listeners)) {
    if (controllers.has(listener.name)) continue;
    const protocol = protocols.get(listener.name) ?? listener.name;
    if (protocol !== 'PLAINTEXT') {
      throw invalid(`listener ${listener.name} asks for ${protocol}, only PLAINTEXT is served`);
    }
    served.push({ ...listener, advertised: advertised.get(listener.name) ?? null });
  }
  if (served.length === 0) throw invalid('listeners names no listener for clients');
  for (const name of advertised.keys()) {
    if (!served.some((listener) => listener.name === name) && !controllers.has(name)) {
      throw invalid(`advertised.listeners names ${name}, which listeners does not`);
    }
  }
  return served;
}

/** `NAME://HOST:PORT`, several separated by commas. */
export function parseListeners(config: string, text: string): Listener[] {
  const listeners: Listener[] = [];
  for (const part of text.split(',').map((item) => item.trim())) {
    if (part === '') continue;
    const match = /^([A-Za-z0-9_-]+):\/\/(.*)$/.exec(part);
    const address = match === null ? null : parseAddress(match[2] as string);
    if (match === null || address === null) {
      throw invalid(`${config}: "${part}" is not of the form NAME://HOST:PORT`);
    }
    const name = (match[1] as string).toUpperCase();
    if (listeners.some((other) => other.name === name)) {
      throw invalid(`${config} names ${name} twice`);
    }
    listeners.push({ name, ...address });
  }
  return listeners;
}

/** `HOST:PORT`, `[V6]:PORT` or `:PORT`; null if it is not that. */
export function parseAddress(text: string): { host: string; port: number } | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]*)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const port = Number(match[3]);
  return port > 65_535 ? null : { host: match[1] ?? match[2] ?? '', port };
}

/** Puts brackets around an IPv6 address. */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

const WILDCARDS: ReadonlySet<string> = new Set(['', '0.0.0.0', '::']);

/** What a client that connected to `local` by `listener` is told to connect to. */
export function advertisedAddress(
  listener: ServedListener,
  boundPort: number,
  localAddress: string,
): { readonly host: string; readonly port: number } {
  const { host, port } = listener.advertised ?? listener;
  return { host: advertisedHost(host, localAddress), port: port === 0 ? boundPort : port };
}

function advertisedHost(host: string, localAddress: string): string {
  // A name that some systems look up as ::1 first, where nobody may listen.
  if (host === 'localhost') return '127.0.0.1';
  if (!WILDCARDS.has(host)) return host;
  const local = localAddress.startsWith('::ffff:') ? localAddress.slice(7) : localAddress;
  return local === '' || WILDCARDS.has(local) ? '127.0.0.1' : local;
}

function parseProtocolMap(text: string): Map<string, string> {
  const protocols = new Map<string, string>();
  for (const part of text.split(',').map((item) => item.trim())) {
    if (part === '') continue;
    const [name, protocol, ...rest] = part.split(':');
    if (name === undefined || protocol === undefined || rest.length > 0) {
      throw invalid(`listener.security.protocol.map: "${part}" is not of the form NAME:PROTOCOL`);
    }
    protocols.set(name.trim().toUpperCase(), protocol.trim().toUpperCase());
  }
  return protocols;
}

function invalid(message: string): MillraceError {
  return new MillraceError(message, { code: 'INVALID_CONFIG' });
}
