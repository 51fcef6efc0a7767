// Types that functions may use beside Deno's own: what Deno had in 2021, for handlers of that time.
declare namespace Deno {
  /** What a handler of the form `handler({ req })` gets: the request, and the way to answer it. */
  export interface RequestEvent {
    readonly request: Request;
    readonly url: string;
    readonly method: string;
    readonly headers: Headers;
    respondWith(response: Response | Promise<Response>): Promise<void>;
  }
}
