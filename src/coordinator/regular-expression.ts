/**
 * Regular expressions that clients send: in the syntax of RE2, matched in time linear in the text, so
 * that none can hold up the broker as one of JavaScript's or Java's can. What RE2 does not have (back
 * references, looking around) is refused.
 *
 * The library is loaded when the first expression comes; not by import(), which code that V8 has from an earlier
 * start (src/cli/main.ts) cannot call.
 */

import { createRequire } from 'node:module';

export type CompiledExpression =
  | {
      readonly ok: true;
      /** Whether the whole text matches. */
      readonly matches: (text: string) => boolean;
    }
  | { readonly ok: false; readonly message: string };

/** Longest expression; compiling one takes time and memory in proportion. */
const LENGTH_MAX = 1024;

let loaded: typeof import('re2js') | null = null;

function re2(): typeof import('re2js') {
  loaded ??= createRequire(import.meta.url)('re2js') as typeof import('re2js');
  return loaded;
}

/** Never rejects. */
export async function compileExpression(source: string): Promise<CompiledExpression> {
  if (source.length > LENGTH_MAX) {
    return { ok: false, message: `an expression has at most ${LENGTH_MAX} characters` };
  }
  const { RE2JS } = re2();
  try {
    const compiled = RE2JS.compile(source);
    return { ok: true, matches: (text) => compiled.matches(text) };
  } catch (error) {
    // Whatever it throws, it is about the expression.
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}
