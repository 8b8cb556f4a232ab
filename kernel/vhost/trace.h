/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints. Names and fields are stable; all are numbers:
 *
 *	owner	process that owns the device
 *	dev	the device's number, as in debugfs: vhost-shunt/OWNER-DEV
 *	vq	queue
 *	worker	number of the worker in its device
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vhost_shunt

#if !defined(VHOST_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VHOST_TRACE_H

#include <linux/tracepoint.h>

#include "internal.h"

DECLARE_EVENT_CLASS(vhost_vq,
		    TP_PROTO(const struct vhc_vq *vq, u32 elements), TP_ARGS(vq, elements),
		    TP_STRUCT__entry(__field(s32, owner)
				     __field(s32, dev)
				     __field(u32, vq)
				     __field(u32, elements)),
		    TP_fast_assign(__entry->owner = vq->dev->owner;
				   __entry->dev = vq->dev->id;
				   __entry->vq = vq->index;
				   __entry->elements = elements;),
		    TP_printk("owner=%d dev=%d vq=%u elements=%u", __entry->owner, __entry->dev,
			      __entry->vq, __entry->elements)
);

/* Buffers are handed back to the driver, all at once. */
DEFINE_EVENT(vhost_vq, vhost_batch, TP_PROTO(const struct vhc_vq *vq, u32 elements),
	     TP_ARGS(vq, elements)
);

/* The call eventfd is signalled, for a batch of so many. */
DEFINE_EVENT(vhost_vq, vhost_signal, TP_PROTO(const struct vhc_vq *vq, u32 elements),
	     TP_ARGS(vq, elements)
);

/* The kick eventfd was signalled. In the context of whoever did it, interrupts off. */
TRACE_EVENT(vhost_kick, TP_PROTO(const struct vhc_vq *vq), TP_ARGS(vq),
	    TP_STRUCT__entry(__field(s32, owner)
			     __field(s32, dev)
			     __field(u32, vq)),
	    TP_fast_assign(__entry->owner = vq->dev->owner;
			   __entry->dev = vq->dev->id;
			   __entry->vq = vq->index;),
	    TP_printk("owner=%d dev=%d vq=%u", __entry->owner, __entry->dev, __entry->vq)
);

DECLARE_EVENT_CLASS(vhost_worker, TP_PROTO(const struct vhc_worker *worker), TP_ARGS(worker),
		    TP_STRUCT__entry(__field(s32, owner)
				     __field(s32, dev)
				     __field(u32, worker)),
		    TP_fast_assign(__entry->owner = worker->dev->owner;
				   __entry->dev = worker->dev->id;
				   __entry->worker = worker->id;),
		    TP_printk("owner=%d dev=%d worker=%u", __entry->owner, __entry->dev,
			      __entry->worker)
);

/* Back from sleep */
DEFINE_EVENT(vhost_worker, vhost_worker_wake, TP_PROTO(const struct vhc_worker *worker),
	     TP_ARGS(worker)
);

/* Nothing left to do. Work that comes in the last moment keeps the processor all the same. */
DEFINE_EVENT(vhost_worker, vhost_worker_sleep, TP_PROTO(const struct vhc_worker *worker),
	     TP_ARGS(worker)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH vhost
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
