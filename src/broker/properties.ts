/**
 * The `.properties` format, as java.util.Properties reads it: `#` and `!` comments; `key=value`,
 * `key: value` or `key value`; a backslash at the end of a line continues it; \t \n \r \f \uXXXX
 * escapes, and a backslash before any other character stands for that character.
 */

export interface Property {
  readonly name: string;
  readonly value: string;
  /** Of its first line, from 1. */
  readonly line: number;
}

/** Every property in the order of the text; a name may come twice (the last one counts). */
export function parseProperties(text: string): Property[] {
  const properties: Property[] = [];
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/);
  for (let i = 0; i < lines.length; i++) {
    const first = i;
    let logical = (lines[i] as string).replace(/^[ \t\f]+/, '');
    if (logical === '' || logical.startsWith('#') || logical.startsWith('!')) continue;
    while (endsWithContinuation(logical) && i + 1 < lines.length) {
      i++;
      logical = logical.slice(0, -1) + (lines[i] as string).replace(/^[ \t\f]+/, '');
    }
    if (endsWithContinuation(logical)) logical = logical.slice(0, -1);
    properties.push({ ...splitProperty(logical), line: first + 1 });
  }
  return properties;
}

/** An odd number of backslashes at the end; an even number is escaped backslashes. */
function endsWithContinuation(line: string): boolean {
  let count = 0;
  while (count < line.length && line[line.length - 1 - count] === '\\') count++;
  return count % 2 === 1;
}

function splitProperty(line: string): { name: string; value: string } {
  let at = 0;
  while (at < line.length && !/[=: \t\f]/.test(line[at] as string)) at += line[at] === '\\' ? 2 : 1;
  const name = line.slice(0, at);
  let rest = line.slice(at).replace(/^[ \t\f]+/, '');
  if (rest.startsWith('=') || rest.startsWith(':')) rest = rest.slice(1).replace(/^[ \t\f]+/, '');
  return { name: unescaped(name), value: unescaped(rest) };
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' };

function unescaped(text: string): string {
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|([\s\S]))/g, (_, hex?: string, character?: string) =>
    hex === undefined
      ? (ESCAPES[character as string] ?? (character as string))
      : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
