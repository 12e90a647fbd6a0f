import t from 'tap';
import { compileExpression } from '#src/coordinator/regular-expression.js';

t.test('an expression matches the whole text', async (t) => {
  const compiled = await compileExpression('a[bc]+|d');
  t.ok(compiled.ok);
  if (!compiled.ok) return;
  t.same(['abcb', 'd', 'abx', 'xd', ''].map(compiled.matches), [true, true, false, false, false]);
});

t.test('what is no expression is refused', async (t) => {
  for (const source of ['(', '[a', 'a{2,1}', '(?<=a)b', '(a)\\1', 'x'.repeat(1025)]) {
    t.match(await compileExpression(source), { ok: false, message: /./ }, source);
  }
});

t.test('an expression that costs others exponential time costs linear time', async (t) => {
  const compiled = await compileExpression('(a*)*b');
  t.equal(compiled.ok && compiled.matches('a'.repeat(20_000)), false);
});
