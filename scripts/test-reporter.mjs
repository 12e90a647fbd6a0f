// Reporter for node --test: failures in full, then one line of counts.

export default async function* terse(events) {
  let passed = 0;
  let failures = 0;
  let skipped = 0;
  for await (const { type, data } of events) {
    if (type === 'test:pass') {
      if (data.skip !== undefined) {
        skipped++;
        if (data.skip !== '') yield `SKIPPED ${data.name}: ${data.skip}\n`;
      } else passed++;
    } else if (type === 'test:fail') {
      failures++;
      const error = data.details?.error;
      yield `FAILED ${data.file ?? ''} ${data.name}\n${error?.cause?.stack ?? error?.cause ?? error?.message ?? ''}\n`;
    } else if (type === 'test:diagnostic' && /^seed/i.test(data.message)) {
      yield `${data.message}\n`;
    }
  }
  yield `${passed} passed, ${failures} failed, ${skipped} skipped\n`;
}
