// SPDX-License-Identifier: GPL-2.0
/*
 * The fabric: ports and portal groups in configfs, and the endpoint that a device makes of them.
 *
 * The layout of /sys/kernel/config/target/vhost is the stock module's:
 *	NAME/version, NAME/tpgt_N/{nexus, attrib/fabric_prot_type, lun/lun_M}
 */
#include <linux/configfs.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/utsname.h>
#include <scsi/scsi_proto.h>
#include <target/target_core_base.h>
#include <target/target_core_fabric.h>

#include "scsi.h"

static LIST_HEAD(tpgs);
static DEFINE_MUTEX(tpgs_mutex);	/* the list; nothing else is locked inside */

static struct scsi_tport *to_tport(struct se_wwn *wwn)
{
	return container_of(wwn, struct scsi_tport, wwn);
}

/* --- what LIO asks --- */

static char *tpg_get_wwn(struct se_portal_group *se_tpg)
{
	return to_scsi_tpg(se_tpg)->tport->name;
}

static u16 tpg_get_tag(struct se_portal_group *se_tpg)
{
	return to_scsi_tpg(se_tpg)->tpgt;
}

static int tpg_yes(struct se_portal_group *se_tpg)
{
	return 1;
}

static int tpg_no(struct se_portal_group *se_tpg)
{
	return 0;
}

static u32 tpg_get_inst_index(struct se_portal_group *se_tpg)
{
	return 1;
}

static u32 sess_get_index(struct se_session *sess)
{
	return 0;
}

static void set_default_node_attributes(struct se_node_acl *acl)
{
}

static int tpg_check_prot_fabric_only(struct se_portal_group *se_tpg)
{
	return to_scsi_tpg(se_tpg)->prot_type;
}

/* --- commands: all come back by release_cmd, once, when LIO touches them no more --- */

static int cmd_check_stop_free(struct se_cmd *se)
{
	return transport_generic_free_cmd(se, 0);
}

static void cmd_release(struct se_cmd *se)
{
	struct scsi_cmd *cmd = to_cmd(se);

	scsi_cmd_end(cmd, cmd->answered ? VIRTIO_SCSI_S_OK : VIRTIO_SCSI_S_ABORTED);
}

static int cmd_write_pending(struct se_cmd *se)
{
	/* The data is there. */
	target_execute_cmd(se);
	return 0;
}

static int cmd_get_state(struct se_cmd *se)
{
	return 0;
}

static int cmd_answer(struct se_cmd *se)
{
	to_cmd(se)->answered = true;
	return 0;
}

static void cmd_answer_tmf(struct se_cmd *se)
{
	struct scsi_cmd *cmd = to_cmd(se);

	/* LIO frees its request before the command. */
	cmd->tmr = se->se_tmr_req->response;
	cmd->answered = true;
}

static void cmd_aborted(struct se_cmd *se)
{
}

/* --- nexus --- */

/* The initiator's name has the form of the port's. Return: it, or NULL */
static const char *nexus_name(const struct scsi_tport *tport, const char *name)
{
	static const struct {
		u8 proto_id;
		const char *prefix;
		u8 skip;
	} forms[] = {
		{ SCSI_PROTOCOL_SAS, "naa.", 0 },
		{ SCSI_PROTOCOL_FCP, "fc.", 3 },
		{ SCSI_PROTOCOL_ISCSI, "iqn.", 0 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(forms); i++)
		if (tport->proto_id == forms[i].proto_id &&
		    !strncmp(name, forms[i].prefix, strlen(forms[i].prefix)))
			return name + forms[i].skip;
	return NULL;
}

static int nexus_make(struct scsi_tpg *tpg, const char *name)
{
	struct se_session *sess = NULL;
	int err = -EEXIST;

	mutex_lock(&tpg->mutex);
	if (!tpg->sess) {
		sess = target_setup_session(&tpg->se_tpg, 0, 0,
					    TARGET_PROT_DIN_PASS | TARGET_PROT_DOUT_PASS, name,
					    tpg, NULL);
		err = PTR_ERR_OR_ZERO(sess);
		if (!err)
			tpg->sess = sess;
	}
	mutex_unlock(&tpg->mutex);
	return err;
}

static int nexus_drop(struct scsi_tpg *tpg)
{
	struct se_session *sess = NULL;
	int err = -ENODEV;

	mutex_lock(&tpg->mutex);
	if (tpg->sess) {
		err = tpg->busy || !list_empty(&tpg->luns) ? -EBUSY : 0;
		if (!err)
			swap(sess, tpg->sess);
	}
	mutex_unlock(&tpg->mutex);
	if (sess) {
		/* Who let go of the last command may not have left the session yet. */
		target_stop_session(sess);
		target_wait_for_sess_cmds(sess);
		target_remove_session(sess);
	}
	return err;
}

static ssize_t vhost_scsi_tpg_nexus_show(struct config_item *item, char *page)
{
	struct scsi_tpg *tpg = to_scsi_tpg(to_tpg(item));
	ssize_t ret = -ENODEV;

	mutex_lock(&tpg->mutex);
	if (tpg->sess)
		ret = sysfs_emit(page, "%s\n", tpg->sess->se_node_acl->initiatorname);
	mutex_unlock(&tpg->mutex);
	return ret;
}

static ssize_t vhost_scsi_tpg_nexus_store(struct config_item *item, const char *page, size_t count)
{
	struct scsi_tpg *tpg = to_scsi_tpg(to_tpg(item));
	char buf[TRANSPORT_IQN_LEN];
	const char *name;
	int err;

	if (strscpy(buf, page, sizeof(buf)) < 0)
		return -EINVAL;
	name = strim(buf);
	if (!strncmp(name, "NULL", 4)) {
		err = nexus_drop(tpg);
	} else {
		name = nexus_name(tpg->tport, name);
		err = name ? nexus_make(tpg, name) : -EINVAL;
	}
	return err ? err : count;
}

CONFIGFS_ATTR(vhost_scsi_tpg_, nexus);

static struct configfs_attribute *tpg_attrs[] = {
	&vhost_scsi_tpg_attr_nexus,
	NULL,
};

static ssize_t
vhost_scsi_tpg_attrib_fabric_prot_type_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", to_scsi_tpg(attrib_to_tpg(item))->prot_type);
}

static ssize_t
vhost_scsi_tpg_attrib_fabric_prot_type_store(struct config_item *item, const char *page,
					     size_t count)
{
	unsigned long type;
	int err = kstrtoul(page, 0, &type);

	if (err)
		return err;
	if (type != TARGET_DIF_TYPE0_PROT && type != TARGET_DIF_TYPE1_PROT &&
	    type != TARGET_DIF_TYPE3_PROT)
		return -EINVAL;
	to_scsi_tpg(attrib_to_tpg(item))->prot_type = type;
	return count;
}

CONFIGFS_ATTR(vhost_scsi_tpg_attrib_, fabric_prot_type);

static struct configfs_attribute *tpg_attrib_attrs[] = {
	&vhost_scsi_tpg_attrib_attr_fabric_prot_type,
	NULL,
};

/* A group may outlive configfs' hold on its port: while an endpoint looks at it. */
static void tport_put(struct scsi_tport *tport)
{
	if (refcount_dec_and_test(&tport->ref))
		kfree(tport);
}

/* --- portal groups and their LUNs --- */

static struct se_portal_group *tpg_make(struct se_wwn *wwn, const char *name)
{
	struct scsi_tport *tport = to_tport(wwn);
	struct scsi_tpg *tpg;
	u16 tpgt;
	int err;

	if (strncmp(name, "tpgt_", 5) || kstrtou16(name + 5, 10, &tpgt) ||
	    tpgt >= SCSI_MAX_TARGETS)
		return ERR_PTR(-EINVAL);
	tpg = kzalloc(sizeof(*tpg), GFP_KERNEL);
	if (!tpg)
		return ERR_PTR(-ENOMEM);
	mutex_init(&tpg->mutex);
	INIT_LIST_HEAD(&tpg->luns);
	tpg->tport = tport;
	tpg->tpgt = tpgt;
	err = core_tpg_register(wwn, &tpg->se_tpg, tport->proto_id);
	if (err < 0) {
		kfree(tpg);
		return ERR_PTR(err);
	}
	refcount_inc(&tport->ref);
	mutex_lock(&tpgs_mutex);
	list_add_tail(&tpg->node, &tpgs);
	mutex_unlock(&tpgs_mutex);
	return &tpg->se_tpg;
}

/* No endpoint has it: configfs would have refused. */
static void tpg_drop(struct se_portal_group *se_tpg)
{
	struct scsi_tpg *tpg = to_scsi_tpg(se_tpg);

	mutex_lock(&tpgs_mutex);
	list_del(&tpg->node);
	mutex_unlock(&tpgs_mutex);
	nexus_drop(tpg);
	core_tpg_deregister(se_tpg);
	tport_put(tpg->tport);
	kfree(tpg);
}

static int tpg_post_link(struct se_portal_group *se_tpg, struct se_lun *lun)
{
	struct scsi_tpg_lun *l = kzalloc(sizeof(*l), GFP_KERNEL);
	struct scsi_tpg *tpg = to_scsi_tpg(se_tpg);

	/* LIO does not ask whether it went well. */
	if (!l)
		return -ENOMEM;
	l->lun = lun;
	l->blocks = scsi_lun_blocks(lun);
	mutex_lock(&tpg->mutex);
	list_add_tail(&l->node, &tpg->luns);
	scsi_event_lun(tpg, lun, VIRTIO_SCSI_T_TRANSPORT_RESET, VIRTIO_SCSI_EVT_RESET_RESCAN);
	mutex_unlock(&tpg->mutex);
	return 0;
}

static void tpg_pre_unlink(struct se_portal_group *se_tpg, struct se_lun *lun)
{
	struct scsi_tpg *tpg = to_scsi_tpg(se_tpg);
	struct scsi_tpg_lun *l;

	mutex_lock(&tpg->mutex);
	list_for_each_entry(l, &tpg->luns, node) {
		if (l->lun == lun) {
			list_del(&l->node);
			kfree(l);
			break;
		}
	}
	scsi_event_lun(tpg, lun, VIRTIO_SCSI_T_TRANSPORT_RESET, VIRTIO_SCSI_EVT_RESET_REMOVED);
	mutex_unlock(&tpg->mutex);
}

/* --- ports --- */

static struct se_wwn *tport_make(struct target_fabric_configfs *tf, struct config_group *group,
				 const char *name)
{
	struct scsi_tport *tport = kzalloc(sizeof(*tport), GFP_KERNEL);

	if (!tport)
		return ERR_PTR(-ENOMEM);
	refcount_set(&tport->ref, 1);
	if (!strncmp(name, "naa.", 4))
		tport->proto_id = SCSI_PROTOCOL_SAS;
	else if (!strncmp(name, "fc.", 3))
		tport->proto_id = SCSI_PROTOCOL_FCP;
	else if (!strncmp(name, "iqn.", 4))
		tport->proto_id = SCSI_PROTOCOL_ISCSI;
	else
		goto err;
	if (strscpy(tport->name, name, sizeof(tport->name)) < 0)
		goto err;
	return &tport->wwn;
err:
	kfree(tport);
	return ERR_PTR(-EINVAL);
}

static void tport_drop(struct se_wwn *wwn)
{
	tport_put(to_tport(wwn));
}

static ssize_t vhost_scsi_wwn_version_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "Shunt vhost-scsi on %s\n", utsname()->release);
}

CONFIGFS_ATTR_RO(vhost_scsi_wwn_, version);

static struct configfs_attribute *wwn_attrs[] = {
	&vhost_scsi_wwn_attr_version,
	NULL,
};

static const struct target_core_fabric_ops scsi_fabric = {
	.module = THIS_MODULE,
	.fabric_name = "vhost",
	TARGET_FABRIC_QUEUES
	.max_data_sg_nents = SCSI_MAX_SG,
	.tpg_get_wwn = tpg_get_wwn,
	.tpg_get_tag = tpg_get_tag,
	.tpg_check_demo_mode = tpg_yes,
	.tpg_check_demo_mode_cache = tpg_yes,
	.tpg_check_demo_mode_write_protect = tpg_no,
	.tpg_check_prod_mode_write_protect = tpg_no,
	.tpg_check_prot_fabric_only = tpg_check_prot_fabric_only,
	.tpg_get_inst_index = tpg_get_inst_index,
	.check_stop_free = cmd_check_stop_free,
	.release_cmd = cmd_release,
	.sess_get_index = sess_get_index,
	.write_pending = cmd_write_pending,
	.set_default_node_attributes = set_default_node_attributes,
	.get_cmd_state = cmd_get_state,
	.queue_data_in = cmd_answer,
	.queue_status = cmd_answer,
	.queue_tm_rsp = cmd_answer_tmf,
	.aborted_task = cmd_aborted,
	.fabric_make_wwn = tport_make,
	.fabric_drop_wwn = tport_drop,
	.fabric_make_tpg = tpg_make,
	.fabric_drop_tpg = tpg_drop,
	.fabric_post_link = tpg_post_link,
	.fabric_pre_unlink = tpg_pre_unlink,
	.tfc_wwn_attrs = wwn_attrs,
	.tfc_tpg_base_attrs = tpg_attrs,
	.tfc_tpg_attrib_attrs = tpg_attrib_attrs,
};

int scsi_tpg_init(void)
{
	return target_register_template(&scsi_fabric);
}

void scsi_tpg_exit(void)
{
	target_unregister_template(&scsi_fabric);
}

/* --- endpoints --- */

/*
 * Groups of a port, each with a reference to its configfs item. Taking a dependency there locks
 * what configfs holds when it calls us, so that is done later, without our mutex.
 */
static void ep_find(struct scsi_ep *ep)
{
	struct scsi_tpg *tpg;

	mutex_lock(&tpgs_mutex);
	list_for_each_entry(tpg, &tpgs, node)
		if (!strcmp(tpg->tport->name, ep->wwpn) &&
		    config_item_get_unless_zero(&tpg->se_tpg.tpg_group.cg_item))
			ep->tpg[tpg->tpgt] = tpg;
	mutex_unlock(&tpgs_mutex);
}

/* Take a group with a nexus. Return: 0, -EBUSY another device has it, -ENODEV */
static int ep_take(struct scsi_tpg *tpg, struct vhost_scsi *vs)
{
	int err = target_depend_item(&tpg->se_tpg.tpg_group.cg_item);

	if (err)
		return -ENODEV;
	mutex_lock(&tpg->mutex);
	if (tpg->busy)
		err = -EBUSY;
	else if (!tpg->sess)
		err = -ENODEV;
	if (!err) {
		tpg->busy = true;
		tpg->vs = vs;
	}
	mutex_unlock(&tpg->mutex);
	if (err)
		target_undepend_item(&tpg->se_tpg.tpg_group.cg_item);
	return err;
}

/**
 * scsi_ep_open() - make targets of a port's groups
 * @vs: the device
 * @wwpn: name of the port
 *
 * Context: vs->dev.mutex is held
 * Groups that another device has are left out, as are those without a nexus.
 * Return: targets with one reference; ERR_PTR(-ENOMEM), -EBUSY: others have them all; -ENODEV:
 * there is no such port, or it has no group with a nexus
 */
struct scsi_ep *scsi_ep_open(struct vhost_scsi *vs, const char *wwpn)
{
	struct scsi_ep *ep = kzalloc(sizeof(*ep), GFP_KERNEL_ACCOUNT);
	bool busy = false;
	u32 i, n = 0;

	if (!ep)
		return ERR_PTR(-ENOMEM);
	refcount_set(&ep->ref, 1);
	strscpy(ep->wwpn, wwpn, sizeof(ep->wwpn));
	ep_find(ep);
	for (i = 0; i < SCSI_MAX_TARGETS; i++) {
		struct scsi_tpg *tpg = ep->tpg[i];
		int err;

		if (!tpg)
			continue;
		err = ep_take(tpg, vs);
		config_item_put(&tpg->se_tpg.tpg_group.cg_item);
		busy |= err == -EBUSY;
		if (err)
			ep->tpg[i] = NULL;
		else
			n++;
	}
	if (n)
		return ep;
	kfree(ep);
	return ERR_PTR(busy ? -EBUSY : -ENODEV);
}

/**
 * scsi_ep_detach() - no more events
 * @ep: its device is about to lose it; on return nobody adds events to that
 */
void scsi_ep_detach(struct scsi_ep *ep)
{
	u32 i;

	for (i = 0; i < SCSI_MAX_TARGETS; i++) {
		struct scsi_tpg *tpg = ep->tpg[i];

		if (!tpg)
			continue;
		mutex_lock(&tpg->mutex);
		tpg->vs = NULL;
		mutex_unlock(&tpg->mutex);
	}
}

/* Drop a reference; the last one lets go of the groups. May sleep; no configfs callback. */
void scsi_ep_put(struct scsi_ep *ep)
{
	u32 i;

	if (!refcount_dec_and_test(&ep->ref))
		return;
	for (i = 0; i < SCSI_MAX_TARGETS; i++) {
		struct scsi_tpg *tpg = ep->tpg[i];

		if (!tpg)
			continue;
		mutex_lock(&tpg->mutex);
		tpg->busy = false;
		mutex_unlock(&tpg->mutex);
		target_undepend_item(&tpg->se_tpg.tpg_group.cg_item);
	}
	kfree(ep);
}
