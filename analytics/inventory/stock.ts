/** The event that says how much of a product there is. */
export const LEVEL_EVENT = 'inventory.level';

export interface StockLevel {
  readonly sku: string;
  readonly quantity: number;
  /** Units at which it is to be ordered again; null where nobody said. */
  readonly reorder_point: number | null;
  readonly as_of: string;
}

export interface StockAlert {
  readonly product_id: string;
  readonly alert: 'out_of_stock' | 'low_stock' | 'overstocked';
  readonly quantity: number;
  readonly reorder_point: number | null;
  readonly units_sold_28d: number;
  readonly days_of_cover: number | null;
  readonly as_of: string;
}

const URGENCY = ['out_of_stock', 'low_stock', 'overstocked'] as const;

/**
 * Products that need somebody. Out: nothing is there. Low: at or below the reorder point. Overstocked: it lasts longer
 * than `overstock_days` at the rate of the last `cover_days`, or none was sold and it lies above the reorder point.
 */
export function stockAlerts(
  levels: readonly StockLevel[],
  sold: ReadonlyMap<string, number>,
  { cover_days, overstock_days }: { readonly cover_days: number; readonly overstock_days: number },
): readonly StockAlert[] {
  const alerts = levels.flatMap(({ sku, quantity, reorder_point, as_of }): StockAlert[] => {
    const units = sold.get(sku) ?? 0;
    const days_of_cover = units <= 0 ? null : Math.max(0, quantity) / (units / cover_days);
    const isOver = days_of_cover === null ? quantity > (reorder_point ?? 0) : days_of_cover > overstock_days;
    const alert =
      quantity <= 0
        ? 'out_of_stock'
        : reorder_point !== null && quantity <= reorder_point
          ? 'low_stock'
          : isOver
            ? 'overstocked'
            : undefined;
    if (alert === undefined) return [];
    return [{ product_id: sku, alert, quantity, reorder_point, units_sold_28d: units, days_of_cover, as_of }];
  });
  return alerts.sort(
    (one, other) =>
      URGENCY.indexOf(one.alert) - URGENCY.indexOf(other.alert) ||
      (one.days_of_cover ?? Number.POSITIVE_INFINITY) - (other.days_of_cover ?? Number.POSITIVE_INFINITY) ||
      (one.product_id < other.product_id ? -1 : 1),
  );
}
