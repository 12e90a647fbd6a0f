/**
 * The text of dist/cli/bundle.cjs as a function that is called like a CommonJS module. The code cache
 * belongs to exactly this text: whoever makes it and whoever uses it compile the same.
 */

export type BundleFunction = (
  exports: object,
  require: NodeJS.Require,
  module: { exports: object },
  filename: string,
) => void;

/** On the first line of the bundle, so that lines keep their numbers. */
export function wrapBundle(source: string): string {
  return `(function (exports, require, module, __filename) {${source}\n})`;
}
