// Burns CPU for a bounded time: something to put limits and scaling to the test. Handler contract: `export default { fetch }`.
//
//   curl --data-binary @examples/load.ts 'http://127.0.0.1:8080/func?name=load&cpu=500m'
//   curl 'http://127.0.0.1:8080/fn/load?ms=200'

const longest = 5000;

export default {
  fetch(request: Request): Response {
    const asked = Number(new URL(request.url).searchParams.get("ms") ?? 100);
    if (!(asked >= 0 && asked <= longest)) {
      return Response.json({ error: `ms must be a number from 0 to ${longest}.` }, { status: 400 });
    }
    const begin = performance.now();
    let primes = 0;
    for (let candidate = 2; performance.now() - begin < asked; candidate++) {
      if (isPrime(candidate)) primes++;
    }
    return Response.json({ milliseconds: Math.round(performance.now() - begin), primes });
  },
};

function isPrime(candidate: number): boolean {
  for (let divisor = 2; divisor * divisor <= candidate; divisor++) {
    if (candidate % divisor === 0) return false;
  }
  return true;
}
