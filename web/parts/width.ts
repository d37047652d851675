import { useLayoutEffect, useRef, useState } from 'preact/hooks';

/** How wide an element is inside, px; 0 before it is there. */
export function useWidth<E extends Element>() {
  const element = useRef<E>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const own = element.current;
    if (own === null) return;
    setWidth(own.clientWidth);
    const watch = new ResizeObserver(() => setWidth(own.clientWidth));
    watch.observe(own);
    return () => watch.disconnect();
  }, []);
  return { element, width };
}
