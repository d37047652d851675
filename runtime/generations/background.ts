/** How far work that may take its time steps back behind the rest of its process. */
export const BACKGROUND_NICENESS = 10;
