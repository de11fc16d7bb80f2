import { Component, type ReactNode } from "react";

/** A notice in place of a page that failed, or whose files the server has no more because it was updated. */
export class Boundary extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  override render() {
    if (!this.state.broken) return this.props.children;
    return (
      <main>
        <section className="empty" role="alert">
          <h1>This page could not be shown</h1>
          <p>The server may have been updated. Loading the page anew often helps.</p>
          <button type="button" className="button primary" onClick={() => location.reload()}>
            Load anew
          </button>
        </section>
      </main>
    );
  }
}
