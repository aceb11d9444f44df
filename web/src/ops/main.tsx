// Where the operations page begins.
import { render } from 'preact';

import { takeKeyFromAddress } from '../key';
import { applyTheme } from '../theme';
import '../style.css';
import './ops.css';
import { App } from './app';
import { watchLoad } from './load';
import { takeViewFromAddress } from './views';

takeKeyFromAddress();
takeViewFromAddress();
addEventListener('hashchange', () => {
  takeKeyFromAddress();
  takeViewFromAddress();
});
applyTheme();
const place = document.getElementById('app')!;
place.replaceChildren();
render(<App />, place);
watchLoad();
