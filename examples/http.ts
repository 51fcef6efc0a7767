// A web application on Express, a framework from npm: routes, JSON in and out, an error handler.
// Kiln resolves and fetches it once, when this is deployed; the function itself never needs the registry.
import express from "npm:express@4";

interface Note {
  id: number;
  text: string;
}

// What is used here of Express's requests and responses; npm:@types/express describes all of it.
interface Call {
  body?: { text?: unknown };
  params: Record<string, string>;
}
interface Answer {
  status(code: number): Answer;
  json(value: unknown): void;
}

const notes: Note[] = [];
const app = express();
app.use(express.json({ limit: "16kb" }));

app.get("/", (_call: Call, answer: Answer) => {
  answer.json({ notes: notes.length, routes: ["GET /notes", "POST /notes", "GET /notes/:id"] });
});

app.get("/notes", (_call: Call, answer: Answer) => {
  answer.json(notes);
});

app.post("/notes", (call: Call, answer: Answer) => {
  const text = call.body?.text;
  if (typeof text !== "string" || text === "") {
    answer.status(400).json({ error: 'Send JSON such as {"text":"milk"}.' });
    return;
  }
  const note = { id: notes.length + 1, text };
  notes.push(note);
  answer.status(201).json(note);
});

app.get("/notes/:id", (call: Call, answer: Answer) => {
  const note = notes[Number(call.params.id) - 1];
  if (note) answer.json(note);
  else answer.status(404).json({ error: "There is no such note." });
});

app.listen(8000);
