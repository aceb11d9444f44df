// Where the page begins: the key out of the address, then the first look at the server.
import { render } from 'preact';

import { takeKeyFromAddress } from './key';
import { App } from './components/app';
import { openShelf } from './conversations';
import { loadModels } from './models';
import { loadRich } from './rich';
import { applyTheme } from './theme';
import './style.css';

takeKeyFromAddress();
// A link that is opened where the page stands already changes the fragment only.
addEventListener('hashchange', () => {
  if (takeKeyFromAddress()) void loadModels();
});
applyTheme();
const place = document.getElementById('app')!;
place.replaceChildren();
render(<App />, place);
void loadModels();
void openShelf();
// Behind the first picture.
requestAnimationFrame(() => setTimeout(loadRich));
