-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
--
-- Wireshark dissector for Jitney frames (docs/wire-format.md): the header, the
-- templates, and each message as the packet that the guest had sent.
--
--	tshark -X lua_script:jitney.lua -r capture.pcapng
--
-- or put it into the plugin folder (Help, About, Folders). What the kernel and
-- jitneyd count as malformed is flagged under the same reason.

local jitney = Proto("jitney", "Jitney")

local HEADER_SIZE = 12
local SPECIAL, PADDING, TEMPLATES_MAX = 31, 255, 30
local TYPE_DATA, TYPE_HELLO = 1, 2
local UDP4, UDP6, ETHERNET = 1, 2, 3
local IPV4, IPV6, VLAN = 0x0800, 0x86dd, 0x8100

local types = { [TYPE_DATA] = "data", [TYPE_HELLO] = "hello" }
local kinds = { [UDP4] = "UDP/IPv4", [UDP6] = "UDP/IPv6", [ETHERNET] = "Ethernet" }
local sizes = { [UDP4] = 28, [UDP6] = 56, [ETHERNET] = 20 }
local ops = { "probe", "reply", "announce", "bye" }
local families = { [1] = "MAC", [4] = "IPv4", [6] = "IPv6" }

jitney.prefs.ethertype = Pref.uint("EtherType", 0x88b5, "of frames without an IP header")
jitney.prefs.port = Pref.uint("UDP port", 17224, "of frames between machines a router apart")
jitney.prefs.inner = Pref.bool("Show inner packets", true,
			       "Rebuild each message's packet and dissect it")

-- What tshark -e knows. Numbers of a byte are shown as their neighbours are.
local f = {
	version = ProtoField.uint8("jitney.version", "Version", base.DEC, nil, 0xf0),
	type = ProtoField.uint8("jitney.type", "Type", base.DEC, types, 0x0f),
	flags = ProtoField.uint8("jitney.flags", "Flags", base.HEX),
	length = ProtoField.uint16("jitney.length", "Length"),
	sequence = ProtoField.uint32("jitney.sequence", "Sequence"),
	guest = ProtoField.uint16("jitney.guest", "Guest", base.DEC, { [0xffff] = "many" }),
	session = ProtoField.uint16("jitney.session", "Session", base.HEX),
	messages = ProtoField.uint32("jitney.messages", "Messages"),
	templates = ProtoField.uint32("jitney.templates", "Templates"),

	t_number = ProtoField.uint8("jitney.template.number", "Number"),
	t_kind = ProtoField.uint8("jitney.template.kind", "Kind", base.DEC, kinds),
	t_vlan = ProtoField.bool("jitney.template.vlan", "VLAN tag", 8, nil, 0x01),
	t_df = ProtoField.bool("jitney.template.df", "Don't fragment", 8, nil, 0x02),
	t_tos = ProtoField.uint8("jitney.template.tos", "TOS", base.HEX),
	t_ttl = ProtoField.uint8("jitney.template.ttl", "TTL"),
	t_dest_mac = ProtoField.ether("jitney.template.dest_mac", "Destination"),
	t_source_mac = ProtoField.ether("jitney.template.source_mac", "Source"),
	t_source_port = ProtoField.uint16("jitney.template.source_port", "Source port"),
	t_dest_port = ProtoField.uint16("jitney.template.dest_port", "Destination port"),
	t_source4 = ProtoField.ipv4("jitney.template.source", "Source"),
	t_dest4 = ProtoField.ipv4("jitney.template.dest", "Destination"),
	t_label = ProtoField.uint32("jitney.template.flow_label", "Flow label", base.HEX),
	t_source6 = ProtoField.ipv6("jitney.template.source6", "Source"),
	t_dest6 = ProtoField.ipv6("jitney.template.dest6", "Destination"),
	t_ethertype = ProtoField.uint16("jitney.template.ethertype", "EtherType", base.HEX),
	t_tci = ProtoField.uint16("jitney.template.tci", "VLAN TCI", base.HEX),

	m_template = ProtoField.uint16("jitney.message.template", "Template", base.DEC, nil, 0xf800),
	m_length = ProtoField.uint16("jitney.message.length", "Length", base.DEC, nil, 0x07ff),
	m_check = ProtoField.uint16("jitney.message.check", "UDP checksum", base.HEX),
	m_payload = ProtoField.bytes("jitney.message.payload", "Payload"),
	padding = ProtoField.bytes("jitney.padding", "Padding"),

	h_op = ProtoField.uint8("jitney.hello.op", "Says", base.DEC, ops),
	h_addresses = ProtoField.uint16("jitney.hello.addresses", "Addresses"),
	h_received = ProtoField.uint32("jitney.hello.received", "Frames received from you"),
	h_name = ProtoField.stringz("jitney.hello.name", "Name"),
	h_family = ProtoField.uint16("jitney.hello.family", "Family", base.DEC, families),
	h_mac = ProtoField.ether("jitney.hello.mac", "Address"),
	h_ipv4 = ProtoField.ipv4("jitney.hello.ipv4", "Address"),
	h_ipv6 = ProtoField.ipv6("jitney.hello.ipv6", "Address"),
}

local list = {}
for _, field in pairs(f) do
	list[#list + 1] = field
end
jitney.fields = list

local malformed = ProtoExpert.new("jitney.malformed", "Malformed Jitney frame",
				  expert.group.MALFORMED, expert.severity.ERROR)
jitney.experts = { malformed }

local reasons = {
	frame_short = "frame ends inside its Jitney header",
	frame_version = "frame of another version",
	frame_type = "frame of an unknown type",
	frame_length = "frame shorter than it says",
	record_short = "record ends after its frame",
	record_blank = "record that was never written",
	template_bad = "template of an unknown kind or a wrong length",
	template_unknown = "message before its template",
	template_twice = "template number used twice",
	message_bad = "message that does not fit its template",
	hello_bad = "malformed hello",
}

-- Flags a reason. Returns it, for a caller to hand on.
local function bad(tree, reason)
	tree:add_proto_expert_info(malformed, reason .. ": " .. reasons[reason])
	return reason
end

local function align4(n)
	return math.floor((n + 3) / 4) * 4
end

-- Templates ------------------------------------------------------------------

local function template_size(range)
	local flags = range(1, 1):uint()

	if not sizes[range(0, 1):uint()] or flags > 3 then
		return nil
	end
	return sizes[range(0, 1):uint()] + (flags % 2 == 1 and 4 or 0)
end

-- True if the template is in the one form that senders write.
local function template_sound(range)
	if range:len() < 16 or template_size(range) ~= range:len() then
		return false
	end
	local kind, flags = range(0, 1):uint(), range(1, 1):uint()
	if range(4, 1):bitfield(7, 1) == 1 or range(10, 1):bitfield(7, 1) == 1 then
		return false
	end
	if flags % 2 == 1 and range(range:len() - 2, 2):uint() ~= 0 then
		return false
	end
	if kind ~= UDP4 and flags >= 2 then
		return false
	end
	if kind == UDP6 then
		return range(20, 4):uint() < 0x100000
	end
	if kind == ETHERNET then
		local ethertype = range(16, 2):uint()
		return range(2, 2):uint() == 0 and range(18, 2):uint() == 0 and
			(ethertype == IPV4 or ethertype == IPV6)
	end
	return true
end

local function template_tree(tree, range)
	local kind = range(0, 1):uint()

	tree:add(f.t_kind, range(0, 1))
	tree:add(f.t_vlan, range(1, 1))
	tree:add(f.t_df, range(1, 1))
	tree:add(f.t_tos, range(2, 1))
	tree:add(f.t_ttl, range(3, 1))
	tree:add(f.t_dest_mac, range(4, 6))
	tree:add(f.t_source_mac, range(10, 6))
	if kind == ETHERNET then
		tree:add(f.t_ethertype, range(16, 2))
	else
		tree:add(f.t_source_port, range(16, 2))
		tree:add(f.t_dest_port, range(18, 2))
	end
	if kind == UDP4 then
		tree:add(f.t_source4, range(20, 4))
		tree:add(f.t_dest4, range(24, 4))
	elseif kind == UDP6 then
		tree:add(f.t_label, range(20, 4))
		tree:add(f.t_source6, range(24, 16))
		tree:add(f.t_dest6, range(40, 16))
	end
	if range(1, 1):uint() % 2 == 1 then
		tree:add(f.t_tci, range(range:len() - 4, 2))
	end
	tree:append_text(", " .. kinds[kind])
end

-- Inner packets --------------------------------------------------------------

local function bytes16(n)
	return string.format("%04x", n % 0x10000)
end

local function hex(range)
	return range:bytes():tohex()
end

local function ipv4_check(header)
	local sum = 0

	for i = 1, #header, 4 do
		sum = sum + tonumber(header:sub(i, i + 3), 16)
	end
	while sum > 0xffff do
		sum = math.floor(sum / 0x10000) + sum % 0x10000
	end
	return 0xffff - sum
end

local function ipv4_hex(t, length)
	local df = t(1, 1):uint() >= 2 and "4000" or "0000"
	local head = "45" .. hex(t(2, 1)) .. bytes16(28 + length) .. "0000" .. df ..
		hex(t(3, 1)) .. "11"
	local addresses = hex(t(20, 8))

	return head .. bytes16(ipv4_check(head .. addresses)) .. addresses
end

local function ipv6_hex(t, length)
	local class = t(2, 1):uint()
	local label = t(20, 4):uint()
	local first = 0x60000000 + class * 0x100000 + label

	return string.format("%08x", first) .. bytes16(8 + length) .. "11" .. hex(t(3, 1)) ..
		hex(t(24, 32))
end

-- The packet that the guest had sent; its IPv4 identification is not known.
local function packet_hex(t, record, length)
	local kind = t(0, 1):uint()
	local out = hex(t(4, 12))

	if t(1, 1):uint() % 2 == 1 then
		out = out .. bytes16(VLAN) .. hex(t(t:len() - 4, 2))
	end
	if kind == ETHERNET then
		out = out .. hex(t(16, 2))
	else
		out = out .. bytes16(kind == UDP4 and IPV4 or IPV6)
		out = out .. (kind == UDP4 and ipv4_hex or ipv6_hex)(t, length)
		out = out .. hex(t(16, 4)) .. bytes16(8 + length) .. hex(record(2, 2))
	end
	return length > 0 and out .. hex(record(4, length)) or out
end

-- Inner dissectors write into the columns and addresses: those stay the frame's.
local kept = { "src", "dst", "net_src", "net_dst", "dl_src", "dl_dst", "src_port", "dst_port" }

local function show_packet(t, record, length, number, pinfo, tree)
	local packet = ByteArray.new(packet_hex(t, record, length))
	local saved = {}

	for _, name in ipairs(kept) do
		saved[name] = pinfo[name]
	end
	Dissector.get("eth_withoutfcs"):call(packet:tvb("Message " .. number):range():tvb(), pinfo,
					     tree)
	for _, name in ipairs(kept) do
		pinfo[name] = saved[name]
	end
end

-- Records --------------------------------------------------------------------

-- The payload of an Ethernet template must be one whole IP packet.
local function payload_is_ip(t, record, length)
	local ip = length > 0 and record(4, length)

	if t(16, 2):uint() == IPV4 then
		if length < 20 then
			return false
		end
		local protocol = ip(9, 1):uint()
		return ip(0, 1):uint() == 0x45 and ip(2, 2):uint() == length and
			ip(6, 2):uint() % 0x4000 == 0 and ip(6, 1):uint() < 0x80 and
			(protocol == 1 or protocol == 50)
	end
	if length < 40 or ip(0, 1):bitfield(0, 4) ~= 6 or ip(4, 2):uint() + 40 ~= length then
		return false
	end
	if ip(6, 1):uint() == 58 then
		return length > 40 and (ip(40, 1):uint() == 128 or ip(40, 1):uint() == 129)
	end
	return ip(6, 1):uint() == 50
end

local function add_special(walk, record, length, tree)
	local number = record(2, 1):uint()

	if record(3, 1):uint() ~= 0 then
		return bad(tree, "template_bad")
	end
	if number == PADDING then
		tree:set_text("Padding, " .. length .. " bytes")
		if length > 0 then
			tree:add(f.padding, record(4, length))
		end
		return nil
	end
	tree:set_text("Template " .. number)
	tree:add(f.t_number, record(2, 1))
	if number == 0 or number > TEMPLATES_MAX or length == 0 or
	   not template_sound(record(4, length)) then
		return bad(tree, "template_bad")
	end
	template_tree(tree, record(4, length))
	if walk.templates[number] then
		return bad(tree, "template_twice")
	end
	walk.templates[number] = record(4, length)
	walk.template_count = walk.template_count + 1
	return nil
end

local function add_message(walk, record, number, length, tree, pinfo)
	local t = walk.templates[number]

	tree:set_text("Message " .. walk.messages + 1 .. ", " .. length .. " bytes")
	tree:add(f.m_template, record(0, 2))
	tree:add(f.m_length, record(0, 2))
	tree:add(f.m_check, record(2, 2))
	if length > 0 then
		tree:add(f.m_payload, record(4, length))
	end
	if not t then
		return bad(tree, "template_unknown")
	end
	if t(0, 1):uint() == ETHERNET and
	   (record(2, 2):uint() ~= 0 or not payload_is_ip(t, record, length)) then
		return bad(tree, "message_bad")
	end
	walk.messages = walk.messages + 1
	if jitney.prefs.inner then
		show_packet(t, record, length, walk.messages, pinfo, tree)
	end
	return nil
end

-- One record at @at. Returns the bytes it takes, or nil and a reason.
local function add_record(walk, range, at, tree, pinfo)
	local left = range:len() - at

	if left < 4 then
		return nil, bad(tree:add(jitney, range(at, left), "Record"), "record_short")
	end
	local number, length = range(at, 2):bitfield(0, 5), range(at, 2):bitfield(5, 11)
	local span = 4 + align4(length)
	if left < span then
		return nil, bad(tree:add(jitney, range(at, left), "Record"), "record_short")
	end
	local record = range(at, span)
	local sub = tree:add(jitney, record, "Record")
	local reason
	if number == 0 then
		reason = bad(sub, "record_blank")
	elseif number == SPECIAL then
		reason = add_special(walk, record, length, sub)
	else
		reason = add_message(walk, record, number, length, sub, pinfo)
	end
	return not reason and span or nil, reason
end

local function add_records(range, tree, pinfo)
	local walk = { templates = {}, template_count = 0, messages = 0 }
	local at, span, reason = 0, nil, nil

	while range and at < range:len() do
		span, reason = add_record(walk, range, at, tree, pinfo)
		if reason then
			break
		end
		at = at + span
	end
	tree:add(f.templates, walk.template_count):set_generated()
	tree:add(f.messages, walk.messages):set_generated()
	return string.format("%d message%s", walk.messages, walk.messages == 1 and "" or "s"), reason
end

-- Hellos ---------------------------------------------------------------------

local function add_address(range, tree)
	local family = range(0, 2):uint()

	tree:add(f.h_family, range(0, 2))
	if family == 1 then
		tree:add(f.h_mac, range(4, 6))
	elseif family == 4 then
		tree:add(f.h_ipv4, range(4, 4))
	elseif family == 6 then
		tree:add(f.h_ipv6, range(4, 16))
	else
		return bad(tree, "hello_bad")
	end
	return nil
end

local function hello_sound(range, session)
	local addresses = range(2, 2):uint()

	return addresses * 20 == range:len() - 24 and range(1, 1):uint() == 0 and session ~= 0 and
		range(8, 1):uint() ~= 0 and range(23, 1):uint() == 0 and
		(addresses == 0 or range(0, 1):uint() == 3)
end

local function add_hello(range, tree, session)
	local reason, op

	if not range or range:len() < 24 then
		return "hello", bad(tree, "hello_bad")
	end
	op = ops[range(0, 1):uint()]
	tree:add(f.h_op, range(0, 1))
	tree:add(f.h_addresses, range(2, 2))
	tree:add(f.h_received, range(4, 4))
	tree:add(f.h_name, range(8, 16))
	if not op or not hello_sound(range, session) then
		return op or "hello", bad(tree, "hello_bad")
	end
	for at = 24, range:len() - 20, 20 do
		reason = add_address(range(at, 20), tree:add(jitney, range(at, 20), "Address")) or reason
	end
	return op .. " from " .. range(8, 16):stringz(), reason
end

-- The frame ------------------------------------------------------------------

local function header_reason(range)
	local kind = range(0, 1):bitfield(4, 4)

	if range(0, 1):bitfield(0, 4) ~= 1 or range(1, 1):uint() ~= 0 then
		return "frame_version"
	end
	if not types[kind] then
		return "frame_type"
	end
	return range(2, 2):uint() > range:len() - HEADER_SIZE and "frame_length" or nil
end

local function add_header(range, tree)
	tree:add(f.version, range(0, 1))
	tree:add(f.type, range(0, 1))
	tree:add(f.flags, range(1, 1))
	tree:add(f.length, range(2, 2))
	tree:add(f.sequence, range(4, 4))
	tree:add(f.guest, range(8, 2))
	tree:add(f.session, range(10, 2))
end

local function add_frame(range, tree, pinfo)
	local reason, text

	if range:len() < HEADER_SIZE then
		return "Short frame", bad(tree, "frame_short")
	end
	add_header(range, tree)
	reason = header_reason(range)
	if reason then
		return "Bad header", bad(tree, reason)
	end
	local length = range(2, 2):uint()
	local body = length > 0 and range(HEADER_SIZE, length) or nil
	tree:set_len(HEADER_SIZE + length)
	if range(0, 1):bitfield(4, 4) == TYPE_HELLO then
		text, reason = add_hello(body, tree, range(10, 2):uint())
		return "Hello: " .. text, reason
	end
	text, reason = add_records(body, tree, pinfo)
	return "Data " .. range(4, 4):uint() .. ", " .. text, reason
end

function jitney.dissector(tvb, pinfo, tree)
	local text, reason

	if tvb:len() == 0 then
		return 0
	end
	text, reason = add_frame(tvb:range(), tree:add(jitney, tvb()), pinfo)
	if reason then
		text = text .. ", " .. reason
	end
	pinfo.cols.protocol = "Jitney"
	pinfo.cols.info = text
	return tvb:len()
end

local ethertypes, ports = DissectorTable.get("ethertype"), DissectorTable.get("udp.port")
local registered = {}

local function register()
	if registered.ethertype then
		ethertypes:remove(registered.ethertype, jitney)
		ports:remove(registered.port, jitney)
	end
	registered = { ethertype = jitney.prefs.ethertype, port = jitney.prefs.port }
	ethertypes:add(registered.ethertype, jitney)
	ports:add(registered.port, jitney)
end

jitney.prefs_changed = register
register()
