/** `npm run example`: a real shop's orders; `npm run example -- shop`: a month of a whole company. */
const [name] = process.argv.slice(2);
if (name === 'shop') {
  process.argv.splice(2, 1);
  await import('./shop/run.ts');
} else await import('./online-retail/run.ts');
