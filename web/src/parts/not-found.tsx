import { useEffect } from "react";
import { Link } from "wouter";

/** A page that says what is not there, and leads back. */
export function NotFound({ title, text }: { title: string; text: string }) {
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <main>
      <section className="empty">
        <h1>{title}</h1>
        <p>{text}</p>
        <Link className="button primary" href="/training/jobs">
          Back to all jobs
        </Link>
      </section>
    </main>
  );
}
