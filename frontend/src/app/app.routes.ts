import type { Routes } from '@angular/router';

/** A folder is a feature; each is loaded when someone goes there. */
export const routes: Routes = [
  { path: '', pathMatch: 'full', redirectTo: 'workflows' },
  {
    path: 'workflows',
    title: 'Workflows · lastword',
    loadComponent: () => import('./workflows/list/workflows-list').then((m) => m.WorkflowsList),
  },
  {
    path: 'workflows/:id',
    title: 'lastword',
    loadComponent: () => import('./workflows/detail/workflow-detail').then((m) => m.WorkflowDetail),
  },
  {
    path: 'operations',
    title: 'Operations · lastword',
    loadComponent: () => import('./operations/operations').then((m) => m.Operations),
  },
  {
    path: 'definitions',
    title: 'Definitions · lastword',
    loadComponent: () => import('./start/definitions').then((m) => m.Definitions),
  },
  {
    path: '**',
    title: 'Not found · lastword',
    loadComponent: () => import('./shell/not-found').then((m) => m.NotFound),
  },
];
