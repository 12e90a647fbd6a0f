/**
 * Regular expressions that clients send: in the syntax of RE2, matched in time linear in the text, so
 * that none can hold up the broker as one of JavaScript's or Java's can. What RE2 does not have (back
 * references, looking around) is refused.
 *
 * The library is loaded when the first expression comes.
 */

export type CompiledExpression =
  | {
      readonly ok: true;
      /** Whether the whole text matches. */
      readonly matches: (text: string) => boolean;
    }
  | { readonly ok: false; readonly message: string };

/** Longest expression; compiling one takes time and memory in proportion. */
const LENGTH_MAX = 1024;

/** Never rejects. */
export async function compileExpression(source: string): Promise<CompiledExpression> {
  if (source.length > LENGTH_MAX) {
    return { ok: false, message: `an expression has at most ${LENGTH_MAX} characters` };
  }
  const { RE2JS } = await import('re2js');
  try {
    const compiled = RE2JS.compile(source);
    return { ok: true, matches: (text) => compiled.matches(text) };
  } catch (error) {
    // Whatever it throws, it is about the expression.
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}
