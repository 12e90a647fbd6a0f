import t from 'tap';
import {
  boolean,
  ConfigTable,
  configRangeText,
  double,
  formatConfigValue,
  int,
  LONG_MAX,
  list,
  long,
  parseConfigValue,
  password,
  short,
  string,
} from '#src/base/config-table.js';

const table = new ConfigTable({
  'a.boolean': boolean({ default: false, doc: 'b' }),
  'a.double': double({ default: 0.5, min: 0, max: 1, doc: 'd' }),
  'a.list': list({ default: ['x'], values: ['x', 'y'], doc: 'l' }),
  'a.long': long({ default: LONG_MAX, min: -1, doc: 'l' }),
  'a.password': password({ default: null, doc: 'p' }),
  'a.short': short({ default: 1, doc: 's' }),
  'a.string': string({ default: 'x', values: ['x', 'y'], doc: 's' }),
  'an.int': int({ default: 7, min: 1, aliases: ['old.int'], doc: 'i' }),
  maybe: long({ default: null, doc: 'm' }),
});

t.test('values are typed and take their defaults', async (t) => {
  const { values, problems, unknown } = table.parse([]);
  const whole: number = values['an.int'];
  const flag: boolean = values['a.boolean'];
  const maybe: number | null = values.maybe;
  t.same([whole, flag, maybe, values['a.list']], [7, false, null, ['x']]);
  t.same([problems, unknown], [[], []]);
});

t.test(
  'texts are parsed, aliases resolved, unknown names listed, bad texts explained',
  async (t) => {
    const parsed = table.parse([
      ['old.int', ' 9 '],
      ['a.boolean', 'TRUE'],
      ['a.list', 'x, y'],
      ['a.long', '9223372036854775807'],
      ['a.double', '1'],
      ['a.string', 'z'],
      ['nothing', '1'],
    ]);
    t.match(parsed.values, {
      'an.int': 9,
      'a.boolean': true,
      'a.list': ['x', 'y'],
      'a.long': LONG_MAX,
      'a.double': 1,
      'a.string': 'x',
    });
    t.equal(parsed.texts.get('an.int'), ' 9 ');
    t.equal(parsed.texts.has('a.string'), false);
    t.same(parsed.unknown, ['nothing']);
    t.match(parsed.problems, [{ name: 'a.string', message: /a\.string.*one of: x, y/ }]);
  },
);

t.test('every type has its bounds', async (t) => {
  const good: [string, string][] = [
    ['an.int', '1'],
    ['an.int', '+2147483647'],
    ['a.short', '-32768'],
    ['a.long', '-1'],
    ['a.double', '1e-3'],
    ['a.list', ''],
  ];
  const bad: [string, string][] = [
    ['an.int', '0'],
    ['an.int', '2147483648'],
    ['an.int', '1.5'],
    ['an.int', ''],
    ['an.int', '0x10'],
    ['a.short', '32768'],
    ['a.long', '9223372036854775808'],
    ['a.long', '-2'],
    ['a.double', 'NaN'],
    ['a.double', ''],
    ['a.double', '1.01'],
    ['a.boolean', '1'],
    ['a.list', 'x,,y'],
    ['a.list', 'z'],
  ];
  const ok = (name: string, text: string): boolean => {
    const field = table.field(name);
    if (field === undefined) throw new Error(name);
    return parseConfigValue(field, text).ok;
  };
  for (const [name, text] of good) t.equal(ok(name, text), true, `${name}=${text}`);
  for (const [name, text] of bad) t.equal(ok(name, text), false, `${name}=${text}`);
});

t.test('values are shown as Kafka shows them', async (t) => {
  const { fields } = table;
  t.equal(table.defaultText('a.long'), '9223372036854775807');
  t.equal(table.defaultText('maybe'), null);
  t.equal(formatConfigValue(fields['a.list'], ['x', 'y']), 'x,y');
  t.equal(formatConfigValue(fields['a.boolean'], true), 'true');
  t.equal(configRangeText(fields['an.int']), '[1,...]');
  t.equal(configRangeText(fields['a.double']), '[0,...,1]');
  t.equal(configRangeText(fields['a.string']), '[x, y]');
  t.equal(configRangeText(fields['a.short']), '');
  t.equal(configRangeText(fields['a.boolean']), '');
});

t.test('a table that contradicts itself is refused when it is made', async (t) => {
  t.throws(() => new ConfigTable({ a: int({ default: 0, min: 1, doc: '' }) }), /default/);
  t.throws(
    () =>
      new ConfigTable({
        a: int({ default: 0, doc: '' }),
        b: int({ default: 0, aliases: ['a'], doc: '' }),
      }),
    /twice/,
  );
});
