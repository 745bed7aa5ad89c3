// A Matrix client that Tutela did not write (matrix-js-sdk over the Rust SDK), driven over JSON lines.
//
// Standard input:  {"id": 1, "command": "send_text", …}
// Standard output: {"id": 1, "result": …} or {"id": 1, "error": "…"}, and {"event": …} for every message seen.
// The client accepts and addresses only devices that their owners have cross-signed, as Element does since 2026.
import { createInterface } from "node:readline";
import { Attachment, EncryptedAttachment } from "@matrix-org/matrix-sdk-crypto-wasm";
import * as sdk from "matrix-js-sdk";
import { OnlySignedDevicesIsolationMode } from "matrix-js-sdk/lib/crypto-api/index.js";

// Standard output carries our lines alone.
for (const method of ["log", "info", "debug", "trace"]) console[method] = console.error;

let client;
let password;
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const commands = {
    async login({ homeserver, user, password: secret }) {
        const anonymous = sdk.createClient({ baseUrl: homeserver });
        const identifier = { type: "m.id.user", user };
        const answer = await anonymous.loginRequest({ type: "m.login.password", identifier, password: secret });
        client = sdk.createClient({
            baseUrl: homeserver,
            userId: answer.user_id,
            deviceId: answer.device_id,
            accessToken: answer.access_token,
        });
        password = secret;
        await client.initRustCrypto({ useIndexedDB: false });
        client.getCrypto().setDeviceIsolationMode(new OnlySignedDevicesIsolationMode());
        client.on(sdk.ClientEvent.Event, watch);
        await client.startClient({ initialSyncLimit: 20 });
        await new Promise((resolve) => {
            client.on(sdk.ClientEvent.Sync, (state) => state === "PREPARED" && resolve());
        });
        return { user_id: answer.user_id, device_id: answer.device_id };
    },

    async bootstrap({ replace }) {
        await client.getCrypto().bootstrapCrossSigning({
            setupNewCrossSigning: Boolean(replace),
            authUploadDeviceSigningKeys: (request) => uploadWithPassword(request),
        });
        return { ready: await client.getCrypto().isCrossSigningReady() };
    },

    async join({ room_id }) {
        await client.joinRoom(room_id);
        return {};
    },

    async create_room({ invite }) {
        const encryption = { type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } };
        return client.createRoom({ preset: "private_chat", invite, initial_state: [encryption] });
    },

    async knows_room({ room_id, members }) {
        const room = client.getRoom(room_id);
        const joined = room ? room.getMembersWithMembership("join").map((member) => member.userId) : [];
        return { known: members.every((member) => joined.includes(member)) };
    },

    async send_text({ room_id, text }) {
        return client.sendMessage(room_id, { msgtype: "m.text", body: text });
    },

    async send_picture({ room_id, data, filename, mimetype }) {
        const bytes = new Uint8Array(Buffer.from(data, "base64"));
        const encrypted = Attachment.encrypt(bytes);
        const { content_uri } = await client.uploadContent(Buffer.from(encrypted.encryptedData), {
            type: "application/octet-stream",
            includeFilename: false,
        });
        const file = { ...JSON.parse(encrypted.mediaEncryptionInfo), url: content_uri };
        const info = { mimetype, size: bytes.length };
        return client.sendMessage(room_id, { msgtype: "m.image", body: filename, file, info });
    },

    async send_content({ room_id, type, content }) {
        return client.sendEvent(room_id, type, content);
    },

    async stop() {
        client?.stopClient();
        setImmediate(() => process.exit(0));
        return {};
    },
};

async function uploadWithPassword(request) {
    try {
        await request(null);
    } catch (error) {
        if (error.httpStatus !== 401) throw error;
        const identifier = { type: "m.id.user", user: client.getUserId() };
        await request({ type: "m.login.password", identifier, password, session: error.data.session });
    }
}

function watch(event) {
    if (event.getWireType() !== "m.room.encrypted" && event.getWireType() !== "m.room.message") return;
    if (event.getSender() === client.getUserId()) return;
    // Once more when the key comes later than the message.
    event.on(sdk.MatrixEventEvent.Decrypted, report);
    client.decryptEventIfNeeded(event).then(() => report(event));
}

const reported = new Map();
async function report(event) {
    const seen = {
        event_id: event.getId(),
        room_id: event.getRoomId(),
        sender: event.getSender(),
        encrypted: event.isEncrypted(),
        failure: event.decryptionFailureReason,
        shield: event.isEncrypted() ? await client.getCrypto().getEncryptionInfoForEvent(event) : null,
        type: event.getType(),
        content: event.getContent(),
    };
    const key = JSON.stringify([seen.failure, seen.type]);
    if (reported.get(seen.event_id) === key) return;
    reported.set(seen.event_id, key);
    if (!seen.failure && seen.content.file) seen.attachment = await openAttachment(seen.content.file);
    say({ event: seen });
}

async function openAttachment(file) {
    const address = client.mxcUrlToHttp(file.url, undefined, undefined, undefined, false, true, true);
    const answer = await fetch(address, { headers: { Authorization: `Bearer ${client.getAccessToken()}` } });
    const { url, ...info } = file;
    const encrypted = new EncryptedAttachment(new Uint8Array(await answer.arrayBuffer()), JSON.stringify(info));
    return Buffer.from(Attachment.decrypt(encrypted)).toString("base64");
}

const lines = createInterface({ input: process.stdin });
lines.on("close", () => process.exit(0));
lines.on("line", async (line) => {
    const { id, command, ...rest } = JSON.parse(line);
    try {
        say({ id, result: await commands[command](rest) });
    } catch (error) {
        say({ id, error: String(error?.stack ?? error) });
    }
});
say({ event: { type: "ready", version: process.versions.node } });
