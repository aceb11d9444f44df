// Drawn here, each in a box of 20: strokes of the text's colour.
import type { ComponentChildren } from 'preact';

function Icon({ children }: { children: ComponentChildren }) {
  return <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">{children}</svg>;
}

export const SendIcon = () => <Icon><path d="M10 16V4.5M5 9.2l5-4.9 5 4.9" /></Icon>;
export const StopIcon = () => <Icon><rect x="5.5" y="5.5" width="9" height="9" rx="1.5" fill="currentColor" /></Icon>;
export const NewIcon = () => <Icon><path d="M10 4v12M4 10h12" /></Icon>;
export const SettingsIcon = () => (
  <Icon><path d="M3 6h8M15 6h2M3 14h2M9 14h8" /><circle cx="13" cy="6" r="2" /><circle cx="7" cy="14" r="2" /></Icon>
);
export const KeyIcon = () => <Icon><circle cx="7" cy="10" r="3.2" /><path d="M10.2 10H17v2.6M14 10v2" /></Icon>;
export const CopyIcon = () => <Icon><rect x="7" y="7" width="9" height="9" rx="2" /><path d="M13 7V5.5A1.5 1.5 0 0 0 11.5 4h-6A1.5 1.5 0 0 0 4 5.5v6A1.5 1.5 0 0 0 5.5 13H7" /></Icon>;
export const DoneIcon = () => <Icon><path d="M4.5 10.5l3.7 3.7 7.300-8" /></Icon>;
export const CloseIcon = () => <Icon><path d="M5 5l10 10M15 5L5 15" /></Icon>;
export const LightIcon = () => (
  <Icon><circle cx="10" cy="10" r="3.2" /><path d="M10 3v1.5M10 15.5V17M3 10h1.5M15.5 10H17M5 5l1.100 1.100M13.900 13.900L15 15M15 5l-1.100 1.100M6.100 13.900L5 15" /></Icon>
);
export const DarkIcon = () => <Icon><path d="M15.5 12A6.200 6.200 0 0 1 8 4.5a6.200 6.200 0 1 0 7.5 7.5z" /></Icon>;
export const AutoIcon = () => <Icon><circle cx="10" cy="10" r="6" /><path d="M10 4a6 6 0 0 1 0 12z" fill="currentColor" /></Icon>;
export const ListIcon = () => <Icon><path d="M3 5.5h14M3 10h14M3 14.5h9" /></Icon>;
export const PairIcon = () => <Icon><rect x="3" y="4" width="5.5" height="12" rx="1.5" /><rect x="11.5" y="4" width="5.5" height="12" rx="1.5" /></Icon>;
export const EditIcon = () => <Icon><path d="M4 16l.8-3.300L13 4.5l2.5 2.5-8.200 8.200z" /></Icon>;
export const RenameIcon = EditIcon;
export const ExportIcon = () => <Icon><path d="M10 4v8M6.5 9l3.5 3.5L13.5 9M4 16h12" /></Icon>;
export const DeleteIcon = () => <Icon><path d="M4 6h12M8 6V4h4v2M6 6l.7 10h6.6L14 6" /></Icon>;
export const BackIcon = () => <Icon><path d="M12 5l-5 5 5 5" /></Icon>;
export const NextIcon = () => <Icon><path d="M8 5l5 5-5 5" /></Icon>;
export const AgainIcon = () => <Icon><path d="M15.5 10a5.5 5.5 0 1 1-1.6-3.900L16 8.200M16 4.5v3.7h-3.7" /></Icon>;
export const SameIcon = () => <Icon><path d="M4.5 7.5h11M4.5 12.5h11" /></Icon>;
export const TokensIcon = () => <Icon><rect x="3" y="7" width="4" height="6" rx="1" /><rect x="9" y="7" width="3" height="6" rx="1" fill="currentColor" /><rect x="14" y="7" width="3" height="6" rx="1" /></Icon>;
export const WireIcon = () => <Icon><path d="M7 6l-4 4 4 4M13 6l4 4-4 4" /></Icon>;
