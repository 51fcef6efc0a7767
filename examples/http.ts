// A book API on Express, a framework from npm: routes, parameters, JSON in and out.
// Kiln resolves and fetches it once, when this is deployed; the function itself never needs the registry.
import express from "npm:express@4";

interface Book {
  id: number;
  title: string;
  author: string;
}

// What is used here of Express's requests and responses; npm:@types/express describes all of it.
interface Call {
  body?: { title?: unknown; author?: unknown };
  params: Record<string, string>;
}
interface Answer {
  status(code: number): Answer;
  json(value: unknown): void;
}

const books: Book[] = [
  { id: 1, title: "Frankenstein", author: "Mary Shelley" },
  { id: 2, title: "Middlemarch", author: "George Eliot" },
];
const isText = (value: unknown): value is string => typeof value === "string" && value !== "";

const app = express();
app.use(express.json({ limit: "16kb" }));

app.get("/", (_call: Call, answer: Answer) => {
  answer.json({ books: books.length, routes: ["GET /book", "POST /book", "GET /book/:id"] });
});

app.get("/book", (_call: Call, answer: Answer) => {
  answer.json(books);
});

app.post("/book", (call: Call, answer: Answer) => {
  const { title, author } = call.body ?? {};
  if (!isText(title) || !isText(author)) {
    answer.status(400).json({ error: 'Send JSON such as {"title":"Emma","author":"Jane Austen"}.' });
    return;
  }
  // It lives as long as this instance: books that must last belong into a database.
  const book = { id: books.length + 1, title, author };
  books.push(book);
  answer.status(201).json(book);
});

app.get("/book/:id", (call: Call, answer: Answer) => {
  const book = books[Number(call.params.id) - 1];
  if (book) answer.json(book);
  else answer.status(404).json({ error: "There is no such book." });
});

app.listen(8000);
