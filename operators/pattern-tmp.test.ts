import { it } from 'vitest';
import { TestDriver } from '../engine/index.ts';
import { pattern } from './pattern.ts';
import { begin } from './pattern-builder.ts';
type T={key:string,type:string,time_ms:number,id:string};
it('p', async () => {
const searched = begin('a',(e:T)=>e.type==='a').followedBy('b',(e)=>e.type==='b').notFollowedBy('c',(e)=>e.type==='c').within(1000);
const driver = await TestDriver.start<T,unknown>((i)=>i.pipe(pattern('pattern',{pattern:searched,keyOf:e=>e.key,timeOf:e=>e.time_ms,idOf:e=>e.id,cacheRows:1000})));
let tp=0,ta=0,tc=0;
for (let step=0; step<40; step++){
 const time_ms=step*1000;
 let s=performance.now();
 await driver.push(...Array.from({length:2000},(_,index)=>({key:`${step}-${index}`,type:'abx'[index%3] as string,time_ms,id:'x'})));
 tp+=performance.now()-s; s=performance.now();
 await driver.advanceTo(time_ms); ta+=performance.now()-s; s=performance.now();
 driver.out.length=0; driver.commit(); tc+=performance.now()-s;
}
console.log(tp,ta,tc);
}, 60000);
