// SPDX-License-Identifier: GPL-2.0
#include "rarp.h"

#include <endian.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <string.h>

void rarp_frame(uint8_t frame[RARP_BYTES], const uint8_t *mac)
{
	struct ethhdr eth = { .h_proto = htobe16(ETH_P_RARP) };
	struct ether_arp arp = {
		.ea_hdr = { htobe16(ARPHRD_ETHER), htobe16(ETH_P_IP), ETH_ALEN, sizeof(arp.arp_spa), htobe16(ARPOP_RREQUEST) },
	};

	memset(eth.h_dest, 0xff, ETH_ALEN);
	memcpy(eth.h_source, mac, ETH_ALEN);
	memcpy(arp.arp_sha, mac, ETH_ALEN);
	memcpy(arp.arp_tha, mac, ETH_ALEN);
	memset(frame, 0, RARP_BYTES);
	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + sizeof(eth), &arp, sizeof(arp));
}
