// A shop, for its symbols.
const { EOL, sep: SEPARATOR } = require('node:os');

class Item extends Map {
  static count = 0;
  #price;

  constructor(name, price = 1) {
    super();
    this.name = name;
    this.#price = price;
  }

  static parse(text) {
    const [name, price] = text.split('=');

    return new Item(name, Number(price));
  }

  get label() {
    return `${this.name} → ${this.#price}`;
  }
}

const fetchAll = async (url, ...hosts) => {
  function again({ attempt }) {
    const wait = attempt * 2;
    return wait;
  }

  for (const host of hosts) {
    if (again({ attempt: 1 })) return host;
  }
};

function* ids() {
  yield* [1, 2].map((n) => n + 1);
}
