//! Parts of lists.

use super::{Application, Employee, Integration, Invitation, Member, Organization, Tenant, User};
use poem_openapi::Object;
use projections::{ApplicationRow, EmployeeRow, IntegrationRow, MemberRow, OrganizationRow, Page, TenantRow, UserRow};

/// Which part of a list this is.
#[derive(Debug, Object)]
pub(in crate::operator) struct PageInfo {
    number: u64,
    size: u64,
    total_count: u64,
    total_pages: u64,
}

impl PageInfo {
    pub(in crate::operator) fn of<T>(page: &Page<T>) -> Self {
        Self { number: page.number, size: page.size, total_count: page.total, total_pages: page.total_pages() }
    }
}

macro_rules! list {
    ($name:ident of $item:ident) => {
        /// A part of a list.
        #[derive(Debug, Object)]
        pub(in crate::operator) struct $name {
            pub items: Vec<$item>,
            pub page: PageInfo,
        }
    };
    ($name:ident of $item:ident from $row:ident) => {
        list!($name of $item);

        impl From<Page<$row>> for $name {
            fn from(page: Page<$row>) -> Self {
                Self { items: page.rows.iter().map($item::from).collect(), page: PageInfo::of(&page) }
            }
        }
    };
}

list!(TenantList of Tenant from TenantRow);
list!(OrganizationList of Organization from OrganizationRow);
list!(MemberList of Member from MemberRow);
list!(IntegrationList of Integration from IntegrationRow);
list!(EmployeeList of Employee from EmployeeRow);
list!(UserList of User from UserRow);
list!(ApplicationList of Application from ApplicationRow);
list!(InvitationList of Invitation);
