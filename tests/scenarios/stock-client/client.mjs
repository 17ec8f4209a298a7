// Creates, reads and lists assets with the unchanged client of Hyperledger Fabric, and prints what it got as one line of
// JSON.

import * as crypto from 'node:crypto';
import { open } from './connection.mjs';

const text = new TextDecoder();
const result = {};
const { network, close } = await open();
try {
    const contract = network.getContract('asset-transfer');
    const id = `asset-${crypto.randomUUID()}`;
    const submitted = await contract.submitAsync('CreateAsset', { arguments: [id, 'blue', '5', 'Tomoko', '1300'] });
    result.created = JSON.parse(text.decode(submitted.getResult()));
    const status = await submitted.getStatus();
    result.status = {
        code: status.code,
        successful: status.successful,
        blockNumber: status.blockNumber.toString(),
        transactionId: status.transactionId,
    };
    result.read = JSON.parse(text.decode(await contract.evaluateTransaction('ReadAsset', id)));
    result.listed = JSON.parse(text.decode(await contract.evaluateTransaction('GetAllAssets'))).map((asset) => asset.ID);
    result.transferredFrom = text.decode(await contract.submitTransaction('TransferAsset', id, 'Saptha'));
    result.owner = JSON.parse(text.decode(await contract.evaluateTransaction('ReadAsset', id))).Owner;
    try {
        await contract.submitTransaction('CreateAsset', id, 'red', '1', 'Nobody', '1');
    } catch (error) {
        result.refused = { name: error.name, code: error.code, message: error.message, details: error.details };
    }
} finally {
    close();
}
console.log(JSON.stringify(result));
