import { render } from 'preact';
import { App } from './app/index.ts';
import { show } from './state/index.ts';
import './base.css';
import './parts.css';
import './pictures.css';

show();
const root = document.getElementById('app');
if (root !== null) render(<App />, root);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', show);
