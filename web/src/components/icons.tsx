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
export const CopyIcon = () => <Icon><rect x="7" y="7" width="9" height="9" rx="2" /><path d="M13 7V5.5A1.5 1.5 0 0 0 11.5 4h-6A1.5 1.5 0 0 0 4 5.5v6A1.5 1.5 0 0 0 5.500 13H7" /></Icon>;
export const DoneIcon = () => <Icon><path d="M4.500 10.500l3.700 3.700 7.300-8" /></Icon>;
export const CloseIcon = () => <Icon><path d="M5 5l10 10M15 5L5 15" /></Icon>;
export const LightIcon = () => (
  <Icon><circle cx="10" cy="10" r="3.2" /><path d="M10 3v1.500M10 15.500V17M3 10h1.500M15.500 10H17M5 5l1.100 1.100M13.900 13.900L15 15M15 5l-1.100 1.100M6.100 13.900L5 15" /></Icon>
);
export const DarkIcon = () => <Icon><path d="M15.500 12A6.200 6.200 0 0 1 8 4.500a6.200 6.200 0 1 0 7.500 7.500z" /></Icon>;
export const AutoIcon = () => <Icon><circle cx="10" cy="10" r="6" /><path d="M10 4a6 6 0 0 1 0 12z" fill="currentColor" /></Icon>;
