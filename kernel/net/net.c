// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/vhost-net: a virtio-net device's data queues on a tap, a macvtap or a packet socket.
 */
#include <linux/file.h>
#include <linux/if_tap.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/virtio_net.h>

#include "net.h"

static unsigned int rx_linger_us = 10;
module_param(rx_linger_us, uint, 0644);
MODULE_PARM_DESC(rx_linger_us,
		 "Wait for more packets to receive before sleeping, microseconds at most (default 10)");

static void net_set_features(struct vhc_vq *vq)
{
	struct net_vq *nvq = to_net_vq(vq);
	u32 hlen = sizeof(struct virtio_net_hdr);

	if (vhc_vq_has_feature(vq, VIRTIO_NET_F_MRG_RXBUF) ||
	    vhc_vq_has_feature(vq, VIRTIO_F_VERSION_1))
		hlen = sizeof(struct virtio_net_hdr_mrg_rxbuf);
	/* Either we make up the header or the tap does (IFF_VNET_HDR). */
	nvq->vhost_hlen = vhc_vq_has_feature(vq, VHOST_NET_F_VIRTIO_NET_HDR) ? hlen : 0;
	nvq->sock_hlen = hlen - nvq->vhost_hlen;
	if (vq->index == NET_VQ_RX)
		to_net(vq)->rx.trusted = false;
}

/* Called with the vq mutex. The socket returned is the caller's to drop, after a flush. */
static struct socket *net_vq_stop(struct vhost_net *net, struct net_vq *nvq)
{
	vhc_poll_stop(&nvq->sock_poll);
	if (nvq->vq.index == NET_VQ_RX)
		net_rx_release(&net->rx);
	return vhc_vq_stop(&nvq->vq);
}

static void net_stop(struct vhc_dev *dev)
{
	struct vhost_net *net = container_of(dev, struct vhost_net, dev);
	struct socket *sock[NET_NR_VQS];
	int i;

	for (i = 0; i < NET_NR_VQS; i++) {
		struct net_vq *nvq = &net->nvqs[i];

		mutex_lock(&nvq->vq.mutex);
		sock[i] = net_vq_stop(net, nvq);
		nvq->vhost_hlen = 0;
		nvq->sock_hlen = 0;
		mutex_unlock(&nvq->vq.mutex);
	}
	vhc_dev_flush(dev);
	for (i = 0; i < NET_NR_VQS; i++)
		if (sock[i])
			sockfd_put(sock[i]);
}

static const struct vhc_dev_ops net_dev_ops = {
	.features = VHC_FEATURES | BIT_ULL(VHOST_NET_F_VIRTIO_NET_HDR) |
		    BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) | BIT_ULL(VIRTIO_F_RING_RESET) |
		    BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) | BIT_ULL(VIRTIO_F_IN_ORDER),
	.set_features = net_set_features,
	.stop = net_stop,
};

/* The socket of a tap, of a macvtap, or of a raw packet socket; or an ERR_PTR */
static struct socket *net_file_socket(struct file *file)
{
	struct socket *sock = tun_get_socket(file);

	if (IS_ERR(sock))
		sock = tap_get_socket(file);
	if (!IS_ERR(sock))
		return sock;
	sock = sock_from_file(file);
	return sock && net_is_packet(sock) && sock->sk->sk_type == SOCK_RAW ? sock :
		ERR_PTR(-ENOTSOCK);
}

/* Return: the back end's socket, which holds a reference to its file; or ERR_PTR(-ENOTSOCK) */
static struct socket *net_get_socket(int fd)
{
	struct file *file = fget(fd);
	struct socket *sock;

	if (!file)
		return ERR_PTR(-ENOTSOCK);
	sock = net_file_socket(file);
	if (IS_ERR(sock)) {
		fput(file);
		return ERR_PTR(-ENOTSOCK);
	}
	return sock;
}

/* Where a back end queues packets for us; NULL for a packet socket, which has its receive queue */
static struct ptr_ring *net_get_ring(struct file *file)
{
	struct ptr_ring *ring = tun_get_tx_ring(file);

	if (IS_ERR(ring))
		ring = tap_get_ptr_ring(file);
	return IS_ERR(ring) ? NULL : ring;
}

/*
 * Replace the back end of one queue. Called with the vq mutex.
 * Return: 0, or a negative errno with nothing changed; either way *@old is a socket to drop, if any
 */
static long net_vq_set_backend(struct vhost_net *net, struct net_vq *nvq, int fd,
			       struct socket **old)
{
	struct socket *sock = NULL;
	long err;

	if (!vhc_vq_ready(&nvq->vq))
		return -EFAULT;
	if (fd != VHOST_FILE_UNBIND) {
		sock = net_get_socket(fd);
		if (IS_ERR(sock))
			return PTR_ERR(sock);
	}
	if (sock == nvq->vq.backend) {
		*old = sock;
		return 0;
	}
	if (!sock) {
		*old = net_vq_stop(net, nvq);
		return 0;
	}

	*old = nvq->vq.backend;
	vhc_poll_stop(&nvq->sock_poll);
	err = vhc_poll_start(&nvq->sock_poll, sock->file);
	if (err)
		goto err_poll;
	err = vhc_vq_start(&nvq->vq, sock);
	if (err)
		goto err_poll;
	if (nvq->vq.index == NET_VQ_RX) {
		vhc_vq_linger(&nvq->vq, READ_ONCE(rx_linger_us));
		net_rx_release(&net->rx);
		net->rx.ring = net_get_ring(sock->file);
		net->rx.tun = !IS_ERR(tun_get_tx_ring(sock->file));
	}
	return 0;

err_poll:
	vhc_poll_stop(&nvq->sock_poll);
	if (*old)
		vhc_poll_start(&nvq->sock_poll, (*old)->file);
	*old = sock;
	return err;
}

static long net_set_backend(struct vhost_net *net, const struct vhost_vring_file __user *argp)
{
	struct vhost_vring_file f;
	struct socket *old = NULL;
	struct net_vq *nvq;
	long ret;

	if (copy_from_user(&f, argp, sizeof(f)))
		return -EFAULT;
	mutex_lock(&net->dev.mutex);
	ret = vhc_dev_check_owner(&net->dev);
	if (ret)
		goto out;
	if (f.index >= NET_NR_VQS) {
		ret = -ENOBUFS;
		goto out;
	}
	nvq = &net->nvqs[array_index_nospec(f.index, NET_NR_VQS)];

	mutex_lock(&nvq->vq.mutex);
	ret = net_vq_set_backend(net, nvq, f.fd, &old);
	mutex_unlock(&nvq->vq.mutex);
	if (old) {
		vhc_dev_flush(&net->dev);
		sockfd_put(old);
	}
out:
	mutex_unlock(&net->dev.mutex);
	return ret;
}

static long net_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vhost_net *net = file->private_data;

	if (cmd == VHOST_NET_SET_BACKEND)
		return net_set_backend(net, (const void __user *)arg);
	return vhc_ioctl(&net->dev, cmd, arg);
}

static int net_open(struct inode *inode, struct file *file)
{
	struct vhost_net *net = kvzalloc(sizeof(*net), GFP_KERNEL_ACCOUNT);

	if (!net)
		return -ENOMEM;
	net->nvqs[NET_VQ_RX].vq.ops = &net_rx_ops;
	net->nvqs[NET_VQ_TX].vq.ops = &net_tx_ops;
	net->vqs[NET_VQ_RX] = &net->nvqs[NET_VQ_RX].vq;
	net->vqs[NET_VQ_TX] = &net->nvqs[NET_VQ_TX].vq;
	vhc_dev_init(&net->dev, &net_dev_ops, net->vqs, NET_NR_VQS);
	vhc_poll_init(&net->nvqs[NET_VQ_RX].sock_poll, net->vqs[NET_VQ_RX], EPOLLIN);
	vhc_poll_init(&net->nvqs[NET_VQ_TX].sock_poll, net->vqs[NET_VQ_TX], EPOLLOUT);
	file->private_data = net;
	return 0;
}

static int net_release(struct inode *inode, struct file *file)
{
	struct vhost_net *net = file->private_data;

	vhc_dev_release(&net->dev);
	frag_drain(&net->tx.frags);
	kvfree(net);
	return 0;
}

static ssize_t net_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct vhost_net *net = iocb->ki_filp->private_data;

	return vhc_iotlb_read(&net->dev, to, iocb->ki_filp->f_flags & O_NONBLOCK);
}

static ssize_t net_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct vhost_net *net = iocb->ki_filp->private_data;

	return vhc_iotlb_write(&net->dev, from);
}

static __poll_t net_poll(struct file *file, poll_table *pt)
{
	struct vhost_net *net = file->private_data;

	return vhc_iotlb_poll(&net->dev, file, pt);
}

static const struct file_operations net_fops = {
	.owner = THIS_MODULE,
	.open = net_open,
	.release = net_release,
	.read_iter = net_read,
	.write_iter = net_write,
	.poll = net_poll,
	.unlocked_ioctl = net_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice net_misc = {
	.minor = VHOST_NET_MINOR,
	.name = "vhost-net",
	.fops = &net_fops,
};
module_misc_device(net_misc);

MODULE_DESCRIPTION("virtio-net data queues on a tap, a macvtap or a packet socket");
MODULE_LICENSE("GPL");
MODULE_ALIAS_MISCDEV(VHOST_NET_MINOR);
MODULE_ALIAS("devname:vhost-net");
