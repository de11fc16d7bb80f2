import { Component, type ReactNode } from "react";

/** Says so where a page cannot be shown: it broke, or the server has newer files than the ones this page asks for. */
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
