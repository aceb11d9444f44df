import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

import { CloseIcon } from './icons';

/** A dialog with its title and a button that closes it; Escape does so, too. */
export function Dialog({ title, isWide, onClose, children }: {
  title: string; isWide?: true; onClose: () => void; children: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class={isWide && 'wide'} onClose={onClose} aria-labelledby="dialog-title">
      <div class="title">
        <h2 id="dialog-title">{title}</h2>
        <button type="button" class="quiet" onClick={() => dialog.current?.close()} aria-label="Close"><CloseIcon /></button>
      </div>
      {children}
    </dialog>
  );
}
