/**
 * How the face of a broker reaches the parts that live beside its dispatcher, in a worker or not: by
 * calls of methods with plain values.
 */

/**
 * A part as it is seen from the test's side: each method's arguments and result have to be plain values
 * (what structuredClone takes), and the answer comes later.
 */
export type Remote<Part> = {
  readonly [Name in keyof Part as Part[Name] extends (...given: never[]) => unknown
    ? Name
    : never]: Part[Name] extends (...given: infer Given) => infer Answer
    ? (...given: Given) => Promise<Awaited<Answer>>
    : never;
};

/** Makes the remote of the part `name` out of one function that carries a call. */
export function remoteOf<Part extends object>(
  name: string,
  call: (part: string, method: string, given: readonly unknown[]) => Promise<unknown>,
): Remote<Part> {
  return new Proxy({} as Remote<Part>, {
    get: (_, method) =>
      // Awaited by mistake, it is no promise.
      typeof method !== 'string' || method === 'then'
        ? undefined
        : (...given: unknown[]) => call(name, method, given),
  });
}
