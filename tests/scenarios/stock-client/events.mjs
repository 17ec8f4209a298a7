// Follows a chaincode's events with the unchanged client of Hyperledger Fabric, from block 0 or from where its checkpointer
// stands, through every interruption, until it has as many as it was told; prints each as one line of JSON.
//
// node events.mjs CHAINCODE COUNT CHECKPOINT_FILE

import { checkpointers } from '@hyperledger/fabric-gateway';
import { setTimeout } from 'node:timers/promises';
import { open } from './connection.mjs';

const [chaincode, count, file] = process.argv.slice(2);
const text = new TextDecoder();
const checkpointer = await checkpointers.file(file);
const { network, close } = await open();
let left = Number(count);
while (left > 0) {
    let events;
    try {
        events = await network.getChaincodeEvents(chaincode, { startBlock: BigInt(0), checkpoint: checkpointer });
        for await (const event of events) {
            await checkpointer.checkpointChaincodeEvent(event);
            console.log(JSON.stringify({
                block_number: Number(event.blockNumber),
                tx_id: event.transactionId,
                event: event.eventName,
                payload: JSON.parse(text.decode(event.payload)),
            }));
            left -= 1;
            if (left === 0) break;
        }
    } catch (error) {
        // What a peer that ends or is gone answers; anything else is a failure.
        if (error.code !== 14) throw error;
        console.error(`interrupted: ${error.message}`);
        await setTimeout(100);
    } finally {
        events?.close();
    }
}
close();
